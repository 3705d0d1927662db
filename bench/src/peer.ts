/**
 * What a folder of `bench/peers/` has to say to be measured:
 *
 * - `contestant.ts`, whose default export is a `MakeContestant` (page/contestant.ts). Bundled to `/bundle/<folder>/contestant.js`.
 * - `peer.json`, a {@link PeerDocument}.
 * - `server.ts`, where it does not push by the generic protocol, whose default export is a {@link MakePeerServer}.
 */

export interface PeerDocument {
  /** As the table names it. */
  readonly title: string
  /** The npm package, whose version the report tells. */
  readonly package: string
  /** Workers of its own by file in this folder: `worker.ts` is bundled to `/bundle/<folder>/worker.js`, a module. */
  readonly workers?: readonly string[]
  /** Files by the name that they are served under (`/bundle/<folder>/<name>`): `{ "engine.wasm": "node_modules/…" }`, from bench/peers. */
  readonly assets?: Readonly<Record<string, string>>
  /** Workloads, by name, that cannot be asked of it, and why. */
  readonly without?: Readonly<Record<string, string>>
}

/** The server's books on one origin. Every mutation that arrives is entered here, whatever the protocol. */
export interface Books {
  /** Enters a mutation and gives the record's new version; the same id again is a duplicate, and changes nothing. */
  enter(mutationId: string, recordId: string): number
}

export interface PeerRequest {
  readonly method: string
  /** The path after `/api/<folder>`, with its query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Inflated, if it was compressed. */
  readonly body: Buffer
}

export interface PeerAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

/** A peer's own protocol, below `/api/<folder>/`, for one origin: made when the first request of that origin arrives. */
export type PeerServer = (request: PeerRequest) => PeerAnswer | Promise<PeerAnswer>
export type MakePeerServer = (books: Books) => PeerServer
