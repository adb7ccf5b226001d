import fs from "node:fs"
import net from "node:net"

/** The part of Node's internal stream handle that is used here. */
interface Handle {
  open(fd: number): number
}
interface TcpWrap {
  TCP: new (type: number) => Handle
  constants: { SOCKET: number }
}

/**
 * Calls `gone` once, when the process that reads our stdout (a pipe) has left, even while nothing is written.
 *
 * A write would fail with EPIPE, but `heddle sub | head -1` must not wait for the next message to notice. The kernel
 * reports it (POLLERR) to whoever polls the pipe; Node polls streams that it reads from, and refuses to read from the
 * writing end of a pipe only because of the handle's type. A TCP handle does not ask. It is Node's internal one, so
 * every step may fail on another version: then the next write tells.
 */
export function watchReader(fd: number, gone: () => void): void {
  if (process.platform !== "linux") return
  try {
    if (!fs.fstatSync(fd).isFIFO()) return
    const { binding } = process as unknown as { binding?(name: "tcp_wrap"): TcpWrap }
    if (binding === undefined) return
    const { TCP, constants } = binding.call(process, "tcp_wrap")
    const handle = new TCP(constants.SOCKET)
    // An open file of its own: two handles on one descriptor would disturb each other in the event loop.
    const own = fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK)
    if (handle.open(own) !== 0) {
      fs.closeSync(own)
      return
    }
    const options = { handle, readable: true, writable: false } as net.SocketConstructorOpts
    const watcher = new net.Socket(options)
    watcher.unref()
    // The attempt to read fails (EBADF), and it is made only when the kernel says that the pipe is broken.
    watcher.on("error", () => {})
    watcher.once("close", gone)
    watcher.resume()
  } catch {
    // Left to the next write.
  }
}
