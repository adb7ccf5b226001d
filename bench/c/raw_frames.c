#include "raw.h"

#include <errno.h>
#include <string.h>

size_t put_frame (unsigned char *at, size_t size)
{
    size_t header;
    if (size < 256) {
        at[0] = 0;
        at[1] = size;
        header = 2;
    } else {
        at[0] = 2;
        for (int i = 0; i < 8; i++)
            at[1 + i] = (uint64_t) size >> (56 - 8 * i);
        header = 9;
    }
    memset (at + header, 'x', size);
    return header + size;
}

static size_t payload (const unsigned char *header)
{
    size_t size = 0;
    if (!(header[0] & 2))
        return header[1];
    for (int i = 1; i < 9; i++)
        size = size << 8 | header[i];
    return size;
}

int64_t walk_frames (struct walker *w, const unsigned char *bytes, size_t length)
{
    int64_t frames = 0;
    size_t at = 0;
    while (at < length) {
        if (w->skip > 0) {
            size_t step = length - at < w->skip ? length - at : w->skip;
            at += step;
            w->skip -= step;
            frames += w->skip == 0;
            continue;
        }
        if (w->have == 0 && length - at >= 9) {
            w->skip = payload (bytes + at);
            at += bytes[at] & 2 ? 9 : 2;
        } else {
            w->header[w->have++] = bytes[at++];
            if (w->have < (w->header[0] & 2 ? 9u : 2u))
                continue;
            w->skip = payload (w->header);
            w->have = 0;
        }
        if (w->skip != w->size) {
            errno = EPROTO;
            fail ("a frame of another size");
        }
    }
    return frames;
}
