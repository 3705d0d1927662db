/** Watches what the contestant does with WebAssembly in this page, so that loading it can be told apart from the rest. */
export interface WasmWatch {
  /** From the first request or compilation to the last instance, in milliseconds; 0 where there is none. */
  loadMs(): number
  /** The memory of all instances. */
  bytes(): number
}

export function watchWasm(): WasmWatch {
  let begun = Number.POSITIVE_INFINITY
  let ended = 0
  const memories = new Set<WebAssembly.Memory>()
  const begin = () => {
    begun = Math.min(begun, performance.now())
  }
  const end = <T>(value: T): T => {
    ended = Math.max(ended, performance.now())
    return value
  }
  const remember = (instance: WebAssembly.Instance) => {
    for (const value of Object.values(instance.exports)) if (value instanceof WebAssembly.Memory) memories.add(value)
  }

  const { compile, compileStreaming, instantiate, instantiateStreaming } = WebAssembly
  const realFetch = globalThis.fetch
  globalThis.fetch = (input, init) => {
    if (String(input instanceof Request ? input.url : input).includes('.wasm')) begin()
    return realFetch(input, init)
  }
  WebAssembly.compile = bytes => {
    begin()
    return compile.call(WebAssembly, bytes).then(end)
  }
  WebAssembly.compileStreaming = source => {
    begin()
    return compileStreaming.call(WebAssembly, source).then(end)
  }
  const instantiated = async (
    source: Parameters<typeof instantiate>[0] | WebAssembly.Module,
    imports?: WebAssembly.Imports,
  ) => {
    begin()
    const given = (await instantiate.call(WebAssembly, source as BufferSource, imports)) as unknown
    remember(
      given instanceof WebAssembly.Instance ? given : (given as WebAssembly.WebAssemblyInstantiatedSource).instance,
    )
    return end(given)
  }
  WebAssembly.instantiate = instantiated as typeof instantiate
  WebAssembly.instantiateStreaming = async (source, imports) => {
    begin()
    const given = await instantiateStreaming.call(WebAssembly, source, imports)
    remember(given.instance)
    return end(given)
  }
  return {
    loadMs: () => Math.max(0, ended - begun),
    bytes: () => [...memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0),
  }
}
