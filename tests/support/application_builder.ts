import type { Application } from "../../src/core/application.ts";

/** An application without a template; what its validation says is given, because the rules of schemas are tested elsewhere. */
export function anApplication(name: string, changes: Partial<Application> = {}): Application {
  return {
    name,
    summary: undefined,
    description: undefined,
    command: { render: () => "true" },
    uploadNeeds: [],
    allowedRoles: [],
    maxRuntimeS: null,
    resources: () => ({}),
    inputSchema: undefined,
    validateForm: () => ({ isValid: true, value: {} }),
    ...changes,
  };
}
