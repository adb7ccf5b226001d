# The optional native addon. Built by `npm run build:native`, never by npm itself; this file is not in the published
# package, because yarn, pnpm, and `npm ci` with a lock file build whatever has one, `"gypfile": false` or not.
{"includes": ["transports/native/native.gypi"]}
