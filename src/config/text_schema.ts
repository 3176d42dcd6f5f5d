import Type from "typebox";

/*
 * Part of the description of config.yaml, see schema.ts for the rules.
 */

/** Text that ends up in one line of a script or command. */
export function oneLine(description: string) {
  return Type.String({
    description,
    pattern: "^[^\\r\\n\\u0000]+$",
    patternErrorMessage: "should be one line of text",
  });
}

/** A path that is not empty. */
export function path(description: string) {
  return Type.String({ description, minLength: 1 });
}

/** Text that is never shown in messages. */
export function secret(description: string) {
  return Type.String({ description, writeOnly: true });
}

/** The optional file in the place of the secret `key`, see secrets.ts. */
export function secretFile(key: string) {
  return Type.Optional(path(`File that holds what would be ${key}, in one line.`));
}
