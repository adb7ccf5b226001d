/**
 * The names and numbers of the edge protocol (PROTOCOL.md beside this file), for both halves: a node's edge and a client in a page.
 * Nothing of Node is used here.
 */

/** WebSocket sub-protocol that both sides name in the upgrade. */
export const EDGE_PROTOCOL = "heddle.edge.1"
/** Version in HELLO and WELCOME; the lower of the two is spoken. */
export const EDGE_VERSION = 1

/** Records of the client. */
export const HELLO = 1
export const AUTH = 2
export const SUBSCRIBE = 3
export const UNSUBSCRIBE = 4
export const DONE = 5
export const PUBLISH = 6
export const REQUEST = 7
export const CANCEL = 8
export const CREDIT = 9
export const SERVE = 10
export const UNSERVE = 11
export const RESULT = 12
export const PING = 13
export const BYE = 14

/** Records of the node. */
export const WELCOME = 64
export const REFUSED = 65
export const SUBSCRIBED = 66
export const DATA = 67
export const GAP = 68
export const KEPT = 69
export const PUBLISHED = 70
export const PUBLISH_RESULT = 71
export const REPLY = 72
export const SERVING = 73
export const CALL = 74
export const CALL_CANCEL = 75
export const CALL_CREDIT = 76
export const NOTICE = 77
export const PONG = 78
export const AUTHENTICATED = 79
export const READY = 80

/** Flags of SUBSCRIBE: which optional parts follow, in this order. */
export const SUB_HISTORY = 1
export const SUB_QUEUE = 2
export const SUB_RESUME = 4
export const SUB_SLOW = 8

/** What a client that is too slow gets, once it reads again: all that is still there, or the newest of each subject. */
export const SLOW_ALL = 0
export const SLOW_LATEST = 1

/** Flag of PUBLISH: the client wants a PUBLISH_RESULT. */
export const PUB_RESULT = 1

/** Kinds of REQUEST: one answer of one server, a stream of one server, answers of all servers. */
export const ASK_ONE = 0
export const ASK_STREAM = 1
export const ASK_MANY = 2

/** Flags of REPLY and RESULT: others follow; a stream has ended, no content; the content is a failure (JSON). */
export const MORE = 1
export const END = 2
export const FAILED = 4

/** Flag of WELCOME and SUBSCRIBED: what was resumed goes on where it stopped. */
export const RESUMED = 1

/** What a REFUSED is about, with the client's number for it (0 where there is none). */
export const OF_CONNECTION = 0
export const OF_SUBSCRIBE = 1
export const OF_PUBLISH = 2
export const OF_SERVE = 3
export const OF_AUTH = 4

/** Kinds of NOTICE. */
export const EXPIRING = 0
export const LEAVING = 1

/** Content: the low half of its first byte is the codec's number (core/codec.ts), the high half are these. */
export const CONTENT_CODEC = 0x0f
export const CONTENT_HEADERS = 0x10
export const CONTENT_KEPT = 0x20
/** DATA and KEPT: the subject is that of the message before it in the same record. */
export const CONTENT_SAME = 0x40

/** Codes that the node closes the WebSocket with. From 4400 on as the HTTP status that says the same. */
export const CLOSE_DONE = 1000
export const CLOSE_LEAVING = 1001
export const CLOSE_TOO_LARGE = 1009
export const CLOSE_MALFORMED = 4400
export const CLOSE_TOKEN = 4401
export const CLOSE_NO_HELLO = 4408
export const CLOSE_REPLACED = 4409
export const CLOSE_FLOOD = 4429
export const CLOSE_SLOW = 4503

/** With these codes the node says that to come back the same way is of no use. */
export const FATAL_CLOSES: readonly number[] = [CLOSE_MALFORMED, CLOSE_TOKEN, CLOSE_REPLACED]
