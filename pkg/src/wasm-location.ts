/** Where the module lies beside this package's files. Bundlers know this form, and put their own address in its place. */
export function wasmLocation(): URL {
  return new URL('./wasm/landfall_bg.wasm', import.meta.url)
}
