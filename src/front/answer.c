/* HTTP that we answer ourselves, on one connection. */

#include <stdlib.h>
#include <time.h>

#include "front/guard.h"
#include "front/internal.h"
#include "http/h1.h"

/* After so many reads in a row, other connections get their turn. */
enum { READS_IN_A_ROW = 16, READ_SIZE = 16 * 1024 };

/* HTTP on one connection. */
struct session {
    const struct mu_door *door;
    struct mu_conn *conn;
    struct mu_h1 *h1;
    enum mu_h1_phase phase; /* that the deadline was last set for */
    unsigned long request;  /* likewise */
    struct mu_who *who;     /* made when a request is first logged */
    bool stopping;
    struct mu_guard guard;
};

/* --- What h1 asks --- */

static time_t now(void *arg)
{
    (void)arg;
    return time(NULL);
}

static void respond(void *arg, const struct mu_request *request, struct mu_response *ret)
{
    struct session *s = arg;
    struct mu_permit permit;
    const struct mu_files *files = s->door->files;
    if (!mu_request_leads_here(request, s->conn))
        mu_response_sentence(
            ret, 421,
            "the name in this request is not that of the door that the connection came to");
    else if (!mu_guard_ask(&s->guard, request, &permit))
        mu_guard_respond(&s->guard, &permit, ret);
    else if (files != NULL)
        mu_files_respond(files, request, ret);
    else
        mu_hello_respond(request, ret);
}

static void responded(void *arg, const struct mu_request *request, int status)
{
    struct session *s = arg;
    const struct mu_front_events *events = &s->door->events;
    mu_count_answer(mu_conn_counters(s->conn), status);
    if (events->requested == NULL || mu_who_keep(&s->who, mu_conn_client(s->conn)) == NULL)
        return;
    struct mu_request_event event = {
        .peer = mu_conn_peer(s->conn),
        .who = s->who,
        .method = request == NULL ? NULL : request->method,
        .target = request == NULL ? NULL : request->target,
        .protocol = mu_h1_minor(s->h1) == 0 ? "HTTP/1.0" : "HTTP/1.1",
        .status = status,
    };
    events->requested(events->arg, &event);
}

static const struct mu_h1_handler handler = {.now = now, .respond = respond, .responded = responded};

/* --- What net asks --- */

static void *session_open(void *arg, struct mu_conn *conn)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->door = arg;
    s->conn = conn;
    s->phase = MU_H1_DONE; /* no deadline has been set yet */
    s->h1 = mu_h1_new(&handler, s, &s->door->requests);
    mu_guard_open(&s->guard, s->door, conn);
    if (s->h1 != NULL)
        return s;
    mu_guard_close(&s->guard);
    free(s);
    return NULL;
}

static void session_close(void *arg)
{
    struct session *s = arg;
    mu_guard_close(&s->guard);
    mu_h1_free(s->h1);
    free(s->who);
    free(s);
}

/* The deadline of a phase begins with the phase, not with each byte: drip-feeding does not extend it.
 * Writing is the exception: whoever takes some of an answer gets time to take more. */
static void set_deadline(struct session *s)
{
    const struct mu_front_deadlines *deadlines = &s->door->deadlines;
    const unsigned ms[] = {
        [MU_H1_IDLE] = s->stopping ? MU_LEAVING_MS : deadlines->idle_ms,
        [MU_H1_HEAD] = deadlines->header_ms,
        [MU_H1_BODY] = deadlines->body_ms,
        [MU_H1_WRITE] = deadlines->write_ms,
        [MU_H1_DONE] = deadlines->write_ms,
    };
    enum mu_h1_phase phase = mu_h1_phase(s->h1);
    unsigned long request = mu_h1_request_count(s->h1);
    if (phase == s->phase && request == s->request && phase != MU_H1_WRITE)
        return;
    s->phase = phase;
    s->request = request;
    mu_conn_set_deadline(s->conn, ms[phase]);
}

/* Send what there is. MU_IO_DONE: all of it is on its way. */
static enum mu_io write_out(struct session *s)
{
    const char *data;
    for (size_t len; (len = mu_h1_output(s->h1, &data)) > 0;) {
        size_t taken;
        enum mu_io io = mu_conn_write(s->conn, data, len, &taken);
        if (io != MU_IO_DONE)
            return io;
        mu_h1_taken(s->h1, taken);
    }
    return MU_IO_DONE;
}

static enum mu_serve serve(struct session *s)
{
    static _Thread_local char input[READ_SIZE];
    for (int reads = 0; reads < READS_IN_A_ROW; reads++) {
        enum mu_io io = write_out(s);
        if (io == MU_IO_WANT_WRITE)
            return MU_SERVE_WRITE;
        if (io != MU_IO_DONE)
            return MU_SERVE_ABORT;
        if (mu_h1_phase(s->h1) == MU_H1_DONE)
            return MU_SERVE_CLOSE;

        size_t len;
        io = mu_conn_read(s->conn, input, sizeof input, &len);
        if (io == MU_IO_WANT_READ)
            return MU_SERVE_READ;
        if (io !=
            MU_IO_DONE) /* the client's goodbye, or bytes that are no TLS: an alert tells it so */
            return MU_SERVE_CLOSE;
        if (!mu_h1_input(s->h1, input, len))
            return MU_SERVE_ABORT;
    }
    return MU_SERVE_WRITE;
}

static enum mu_serve session_serve(void *arg)
{
    enum mu_serve result = serve(arg);
    if (result == MU_SERVE_READ || result == MU_SERVE_WRITE)
        set_deadline(arg);
    return result;
}

static enum mu_serve session_expire(void *arg)
{
    struct session *s = arg;
    if (mu_h1_phase(s->h1) == MU_H1_WRITE)
        return MU_SERVE_ABORT; /* it takes nothing, so there is nothing to say */
    mu_h1_expire(s->h1);
    return session_serve(s);
}

static enum mu_serve session_stop(void *arg)
{
    struct session *s = arg;
    s->stopping = true;
    mu_h1_stop(s->h1);
    enum mu_serve result = session_serve(s);
    if (mu_h1_phase(s->h1) == MU_H1_IDLE)
        mu_conn_set_deadline(s->conn, MU_LEAVING_MS);
    return result;
}

/* An answer under way may end; whoever has asked for nothing yet, or not said all of it, has come too late. */
static enum mu_serve session_expel(void *arg)
{
    struct session *s = arg;
    if (mu_h1_phase(s->h1) != MU_H1_WRITE)
        return MU_SERVE_CLOSE;
    mu_h1_end(s->h1);
    return session_serve(s);
}

const struct mu_protocol mu_answer_protocol = {
    .open = session_open,
    .serve = session_serve,
    .expire = session_expire,
    .stop = session_stop,
    .expel = session_expel,
    .close = session_close,
};
