/* Messages on their way to a client that may read slowly or not at all. */
#include "lacuna/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/say.h"

enum {
    STEPS_KEPT = 64,        /* notifications of one request that may wait */
    BYTES_KEPT = 64 << 20   /* queued bytes above which no more requests are read */
};

struct outbox_message {
    outbox_message *next;
    const void *owner;
    buf line;
};

static outbox_message *pop(outbox *o)
{
    outbox_message *m = o->first;
    o->first = m->next;
    if (!o->first) o->last = NULL;
    o->bytes -= m->line.n;
    return m;
}

static void *write_all(void *arg)
{
    outbox *o = arg;
    pthread_mutex_lock(&o->lock);
    for (;;) {
        while (!o->first && !o->closing) pthread_cond_wait(&o->change, &o->lock);
        if (!o->first) break;
        outbox_message *m = pop(o);
        pthread_cond_broadcast(&o->change);
        pthread_mutex_unlock(&o->lock);
        if (io_write(1, m->line.p, m->line.n)) {
            int quiet = errno == EPIPE; /* nobody is left to work for */
            if (!quiet) say("standard output: %s", strerror(errno));
            _exit(quiet ? 0 : 1);
        }
        buf_free(&m->line);
        free(m);
        pthread_mutex_lock(&o->lock);
    }
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

int outbox_open(outbox *o)
{
    *o = (outbox){.closing = 0};
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->change, NULL);
    return pthread_create(&o->writer, NULL, write_all, o);
}

/* Make room among the notifications of one request. */
static void drop_oldest(outbox *o, const void *owner)
{
    outbox_message **oldest = NULL, *before = NULL, *previous = NULL;
    size_t n = 0;
    for (outbox_message **m = &o->first; *m; previous = *m, m = &(*m)->next) {
        if ((*m)->owner != owner) continue;
        if (!n++) oldest = m, before = previous;
    }
    if (n < STEPS_KEPT) return;
    outbox_message *gone = *oldest;
    *oldest = gone->next;
    if (o->last == gone) o->last = before;
    o->bytes -= gone->line.n;
    buf_free(&gone->line);
    free(gone);
}

void outbox_put(outbox *o, buf *line, const void *owner)
{
    outbox_message *m = xalloc(1, sizeof *m);
    *m = (outbox_message){.owner = owner, .line = *line};
    *line = (buf){0};
    pthread_mutex_lock(&o->lock);
    if (owner) drop_oldest(o, owner);
    if (o->last) o->last->next = m;
    else o->first = m;
    o->last = m;
    o->bytes += m->line.n;
    pthread_cond_broadcast(&o->change);
    pthread_mutex_unlock(&o->lock);
}

void outbox_wait(outbox *o)
{
    pthread_mutex_lock(&o->lock);
    while (o->bytes > BYTES_KEPT) pthread_cond_wait(&o->change, &o->lock);
    pthread_mutex_unlock(&o->lock);
}

void outbox_close(outbox *o)
{
    pthread_mutex_lock(&o->lock);
    o->closing = 1;
    pthread_cond_broadcast(&o->change);
    pthread_mutex_unlock(&o->lock);
    pthread_join(o->writer, NULL);
    pthread_mutex_destroy(&o->lock);
    pthread_cond_destroy(&o->change);
}
