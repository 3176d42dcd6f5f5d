/** The part of JSON Schema that the description of config.yaml is written in. */
export interface SchemaView {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly SchemaView[];
  readonly properties?: Readonly<Record<string, SchemaView>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, SchemaView>>;
  readonly propertyNames?: SchemaView;
  readonly additionalProperties?: boolean;
  readonly minProperties?: number;
  readonly items?: SchemaView;
  readonly minItems?: number;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly patternErrorMessage?: string;
  readonly writeOnly?: boolean;
  readonly default?: unknown;
  readonly "~refine"?: readonly Refinement[];
}

interface Refinement {
  check(value: unknown): boolean;
  error(value: unknown): string;
}

/** All keys that `schema` knows, with the description of each; of all variants when it has several. */
export function knownKeys(schema: SchemaView): ReadonlyMap<string, SchemaView> {
  const keys = new Map(Object.entries(schema.properties ?? {}));
  for (const variant of schema.anyOf ?? []) {
    for (const [key, value] of knownKeys(variant)) {
      keys.set(key, value);
    }
  }
  return keys;
}

/** The values of `type` that select a variant. */
export function variantNames(variant: SchemaView): readonly string[] {
  const type = variant.properties?.type;
  return (type?.enum ?? [type?.const]).map(String);
}
