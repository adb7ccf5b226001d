#ifndef HEDDLE_BENCH_RAW_H
#define HEDDLE_BENCH_RAW_H

#include "bench.h"

/* As many frames in one write, or bytes in one read. */
#define RAW_CHUNK 65536

/* Writes one frame of `size` octets of payload, as ZMTP would; returns its length with the header. */
size_t put_frame (unsigned char *at, size_t size);

/* Where a reader is in the stream of frames. Set `size` (octets of each payload, more than none), the rest to 0. */
struct walker {
    size_t size;
    size_t skip;
    unsigned char header[9];
    unsigned have;
};
/* Frames that ended in these bytes. */
int64_t walk_frames (struct walker *w, const unsigned char *bytes, size_t length);

void raw_stream_send (void);
void raw_stream_receive (void);
void raw_reply (void);
void raw_request (void);
void raw_fan_send (void);
void raw_fan_receive (void);

#endif
