/* Messages on their way to a client that may read slowly or not at all.
 *
 * A thread of its own writes them.  Replies are kept whatever happens; step notifications are dropped,
 * oldest first, when too many of one request wait: nobody who produces messages ever waits. */
#ifndef LACUNA_OUTBOX_H
#define LACUNA_OUTBOX_H

#include <pthread.h>

#include "common/buf.h"

typedef struct outbox_message outbox_message;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t change;          /* something came, or went, or the box closes */
    pthread_t writer;
    outbox_message *first, *last;
    size_t bytes;                   /* waiting */
    int closing;
} outbox;

int outbox_open(outbox *o); /* 0, or an errno */
/* Queue a whole line; takes the bytes of *line and empties it.  owner: of a notification that may be
 * dropped, any pointer that tells requests apart; NULL: keep. */
void outbox_put(outbox *o, buf *line, const void *owner);
/* Wait until what is queued is below a bound.  For whoever reads requests: a client that sends but
 * does not read is not read from any more. */
void outbox_wait(outbox *o);
void outbox_close(outbox *o); /* write what is queued, end the thread */

#endif
