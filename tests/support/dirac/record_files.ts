import { rmSync } from "node:fs";
import { join } from "node:path";
import { DIRAC_NAMES, type DiracServer } from "../dirac_server.ts";
import type { Recorder } from "./recorder.ts";

/** What the commands about files print. */
export async function recordFiles(server: DiracServer, { directory, file, record }: Recorder): Promise<void> {
  const lfn = (name: string): string => `${DIRAC_NAMES.lfnRoot}/recorded/${name}`;
  const add = (
    name: string,
    local: string,
    storage: string = DIRAC_NAMES.storageElement,
    ...more: readonly string[]
  ) => [...["dirac-dms-add-file", ...more, lfn(name), local, storage]];
  const content = file("content", "some content\n");
  await record("add_file", add("one", content));
  await record("add_file_exists", add("one", content));
  await record("add_file_overwrite", add("one", file("other", "other content\n"), DIRAC_NAMES.storageElement, "-f"));
  await record("add_file_quiet", [
    "dirac-dms-add-file",
    "-o",
    "LogLevel=FATAL",
    lfn("q"),
    content,
    "StorageElementOne",
  ]);
  await record("add_file_missing", add("two", join(directory, "nonexistent")));
  await record("add_file_directory", add("two", directory));
  await record("add_file_unknown_storage", add("two", content, "NoSuchStorage"));
  await record("add_file_bad_lfn", ["dirac-dms-add-file", "relative/name", content, DIRAC_NAMES.storageElement]);
  await record("add_file_other_vo", ["dirac-dms-add-file", "/otherVO/x", content, DIRAC_NAMES.storageElement]);
  const list = file("list", ["a", "b"].map((name) => `${lfn(name)} ${content} StorageElementOne\n`).join(""));
  await record("add_file_list", ["dirac-dms-add-file", list]);
  await record("add_file_empty", add("empty", file("empty", "")));

  await record("lfn_metadata", ["dirac-dms-lfn-metadata", lfn("one")]);
  await record("lfn_metadata_missing", ["dirac-dms-lfn-metadata", lfn("nonexistent")]);
  await record("lfn_replicas", ["dirac-dms-lfn-replicas", lfn("one"), lfn("nonexistent")]);
  await record("get_file", ["dirac-dms-get-file", lfn("one")]);
  await record("get_file_quiet", ["dirac-dms-get-file", "-o", "LogLevel=FATAL", lfn("one")]);
  await record("get_file_missing", ["dirac-dms-get-file", lfn("nonexistent")]);
  await record("get_file_some_missing", ["dirac-dms-get-file", lfn("a"), lfn("nonexistent")]);
  rmSync(join(server.storageDirectory, lfn("b")));
  await record("get_file_lost", ["dirac-dms-get-file", lfn("b")], {
    remark: "The catalog knows the file; the storage element has lost it.",
  });
  await record("add_file_lost", add("b", content), {
    remark: "The storage element has lost it, the catalog knows it.",
  });
  file(`../storage${lfn("unregistered")}`, "half a file");
  await record("add_file_unregistered", add("unregistered", content), {
    remark: "The storage element has such a file, the catalog does not know it: an upload before was broken off.",
  });
  await record("remove_files", ["dirac-dms-remove-files", lfn("a")]);
  await record("remove_files_missing", ["dirac-dms-remove-files", lfn("nonexistent")]);
  await record("remove_files_lost", ["dirac-dms-remove-files", lfn("b")]);
  await record("lfn_replicas_none_such", ["dirac-dms-lfn-replicas", "-a", lfn("nonexistent")]);
  await server.command("dirac-dms-add-file", lfn("half"), content, DIRAC_NAMES.storageElement);
  server.sql(
    `delete from FileCatalogDB.FC_Replicas where FileID in (select FileID from FileCatalogDB.FC_Files where FileName = 'half')`,
  );
  const half = {
    remark:
      "The catalog has the file without replica: it was interrupted, or asked twice at once to make the same directory.",
  };
  await record("half_lfn_metadata", ["dirac-dms-lfn-metadata", lfn("half")], half);
  await record("half_lfn_replicas", ["dirac-dms-lfn-replicas", "-a", lfn("half")], half);
  await record("half_get_file", ["dirac-dms-get-file", lfn("half")], half);
  await record("half_add_file", add("half", content), half);
  await record("half_add_file_overwrite", add("half", content, DIRAC_NAMES.storageElement, "-f"), half);
  await record("clean_directory", ["dirac-dms-clean-directory", `${DIRAC_NAMES.lfnRoot}/recorded`]);
  await record("clean_directory_missing", ["dirac-dms-clean-directory", `${DIRAC_NAMES.lfnRoot}/recorded`]);
  await record("lfn_metadata_cleaned", ["dirac-dms-lfn-metadata", lfn("one")]);
  await server.command(...(add("deep/er/file", content) as [string, ...string[]]));
  await server.command(...(add("lost", content) as [string, ...string[]]));
  rmSync(join(server.storageDirectory, lfn("lost")));
  await record("clean_directory_deep", ["dirac-dms-clean-directory", `${DIRAC_NAMES.lfnRoot}/recorded`], {
    remark: "Has directories in directories, and a file that the storage element has lost.",
  });
  await server.services.storage.stop();
  await server.services.storage.start("/Systems/DataManagement/Production/Services/StorageElementOne/MaxStorageSize=1");
  await record("add_file_full", add("full", content), { remark: "The storage element is full." });
  await record("lfn_metadata_full", ["dirac-dms-lfn-metadata", lfn("full")]);
  await server.services.storage.stop();
  await server.services.storage.start();
}
