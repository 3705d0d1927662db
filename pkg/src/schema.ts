import type { RecordOf, RollupValue, SchemaDocument } from './types.js'

/**
 * Gives a schema document its type, so that tables and records are typed by it. It changes and checks nothing: the
 * document is checked by {@link open}, which rejects with `invalid-schema` and the path.
 *
 * A document that is imported as JSON has lost its literal types: pass it `as` a type that has them.
 */
export function defineSchema<const S extends SchemaDocument>(document: S): S {
  return document
}

/** The names of a schema's tables. */
export type TableName<S extends SchemaDocument> = keyof S['tables'] & string

/** The names of a schema's scopes. */
export type ScopeName<S extends SchemaDocument> = S extends { readonly scopes?: infer N }
  ? keyof NonNullable<N> & string
  : never

/** A table's fields, as the schema declares them. */
export type FieldsOf<S extends SchemaDocument, T extends TableName<S>> = S['tables'][T]['fields']

/** A table's roll-ups, and what they hold. */
export type RollupsOf<S extends SchemaDocument, T extends TableName<S>> = S['tables'][T] extends {
  readonly rollups: infer R
}
  ? { readonly [K in keyof R]: RollupValue<S, R[K]> }
  : unknown

/** A record of a table, as readers get it: `RecordIn<typeof schema, 'tasks'>`. */
export type RecordIn<S extends SchemaDocument, T extends TableName<S>> = RecordOf<FieldsOf<S, T>, RollupsOf<S, T>>
