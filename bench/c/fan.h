/* The receiving side of the fan-out: how far is every subscriber, and when were all of them where? */
#ifndef HEDDLE_BENCH_FAN_H
#define HEDDLE_BENCH_FAN_H

#include "bench.h"

/* Reads subscribers, warm, count, step and control from the arguments. A subscriber that got `step` further messages
 * is a step further; the sender is told of each step that all subscribers have made. `warm` and `count` are whole
 * steps. */
void fan_init (void);
/* All subscribers hear the publisher: it may begin. */
void fan_ready (void);
/* `messages` more have arrived at `subscriber`. */
void fan_count (int subscriber, int64_t messages);
int fan_done (void);
/* Answers {"received", "seconds", "deliveries"}: from the step at which all were warm to the last step seen. */
void fan_report (void);

#endif
