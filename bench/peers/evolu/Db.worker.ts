/** Its worker, wired as its own is, which no entry of its package names. It is asked for by this name beside the page's module. */
import { createConsole, createRandom, createRandomBytes, createTime, createWebSocket } from '@evolu/common'
import { createDbWorkerForPlatform } from '@evolu/common/local-first'
import { createWasmSqliteDriver, wrapWebWorkerSelf } from '@evolu/web'

wrapWebWorkerSelf(
  createDbWorkerForPlatform({
    console: createConsole(),
    createSqliteDriver: createWasmSqliteDriver,
    createWebSocket,
    random: createRandom(),
    randomBytes: createRandomBytes(),
    time: createTime(),
  }),
)
