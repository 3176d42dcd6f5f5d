import Type from "typebox";

/** The option `sandbox` of whatever runs commands on this machine. @param places what its `{…}` stand for, a sentence */
export function sandboxSchema(places: string) {
  return Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), {
      description: `Program and arguments that run each command, to keep it away from the files of others, e.g. [bwrap, …]; ${places} See docs/destinations.md.`,
      minItems: 1,
    }),
  );
}
