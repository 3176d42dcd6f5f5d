/**
 * A configuration like that of the web application in production, but for the commands: `haddock3` runs the uploaded
 * workflow as a shell script, the tools print what they were given.
 */
export const WEB_CLIENT_CONFIG = `
job_root_dir: jobs
applications:
  haddock3: {command_template: sh workflow.cfg, upload_needs: [workflow.cfg]}
  runimport: {command_template: "mkdir -p output && mv * output || true"}
destinations:
  haddock3: {scheduler: {type: memory, slots: 1}, filesystem: {type: local}}
  runimport: {scheduler: {type: eager, max_load: 1000}, filesystem: {type: local}}
destination_picker: bartender.picker:pick_byname
# Whatever else this machine does.
limits: {interactive_max_load: 1000}
interactive_applications:
  rescore:
    command_template: >
      echo score --w_elec {{ w_elec|q }} --w_vdw {{ w_vdw|q }} --w_desolv {{ w_desolv|q }}
      --w_bsa {{ w_bsa|q }} --w_air {{ w_air|q }} {{ capri_dir|q }} -m {{ module_nr|q }}
    input_schema:
      type: object
      additionalProperties: false
      required: [capri_dir, module_nr, w_elec, w_vdw, w_desolv, w_bsa, w_air]
      properties:
        capri_dir: {type: string}
        module_nr: {type: number}
        w_elec: {type: number}
        w_vdw: {type: number}
        w_desolv: {type: number}
        w_bsa: {type: number}
        w_air: {type: number}
  reclustfcc:
    command_template: >
      echo clustfcc --plot_matrix --clust_cutoff {{ clust_cutoff|q }} --strictness {{ strictness|q }}
      --min_population {{ min_population|q }} {{ clustfcc_dir|q }}
    input_schema:
      type: object
      additionalProperties: false
      required: [clustfcc_dir, module_nr, clust_cutoff, strictness, min_population]
      properties:
        clustfcc_dir: {type: string}
        module_nr: {type: number}
        clust_cutoff: {type: number}
        strictness: {type: number}
        min_population: {type: number}
  reclustrmsd:
    command_template: >
      echo clustrmsd {% if criterion == 'maxclust' %}--n_clusters {{ n_clusters|q }}{% else %}--clust_cutoff
      {{ clust_cutoff|q }}{% endif %} {{ clustrmsd_dir|q }}
    input_schema:
      type: object
      additionalProperties: false
      required: [clustrmsd_dir, module_nr, criterion]
      properties:
        clustrmsd_dir: {type: string}
        module_nr: {type: number}
        criterion: {type: string, enum: [maxclust, distance]}
        n_clusters: {type: number}
        clust_cutoff: {type: number}
        min_population: {type: number}
`;
