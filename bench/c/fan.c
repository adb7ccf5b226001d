#include "fan.h"

#include <stdlib.h>

static int64_t subscribers, step_size, warm_steps, end_steps;
static int64_t *seen, *reached;
static int control;
static int64_t received, start_ns, start_received, last_ns, last_received;

void fan_init (void)
{
    subscribers = arg_number ("subscribers");
    step_size = arg_number ("step");
    warm_steps = arg_number ("warm") / step_size;
    end_steps = warm_steps + arg_number ("count") / step_size;
    seen = calloc (subscribers, sizeof *seen);
    reached = calloc (end_steps + 2, sizeof *reached);
    control = connect_to (arg_text ("control"));
}

void fan_ready (void)
{
    control_send (control, 0);
}

void fan_count (int subscriber, int64_t messages)
{
    int64_t step = seen[subscriber] / step_size;
    received += messages;
    seen[subscriber] += messages;
    while (++step <= seen[subscriber] / step_size && step <= end_steps) {
        last_ns = now_ns ();
        last_received = received;
        if (++reached[step] < subscribers)
            continue;
        control_send (control, step * step_size);
        if (step == warm_steps) {
            start_ns = last_ns;
            start_received = received;
        }
    }
}

int fan_done (void)
{
    return reached[end_steps] == subscribers;
}

void fan_report (void)
{
    say ("{\"result\":{\"received\":%lld,\"seconds\":%.9f,\"deliveries\":%lld}}", (long long) received,
         start_ns ? (last_ns - start_ns) / 1e9 : 0, (long long) (start_ns ? last_received - start_received : 0));
}
