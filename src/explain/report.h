#ifndef MU_EXPLAIN_REPORT_H
#define MU_EXPLAIN_REPORT_H

/* What was looked at, and what was found: whoever looks (files, both sides, a probe) fills one of these, and cli prints it. */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"
#include "explain/place.h"
#include "explain/remedy.h"

enum mu_gravity {
    MU_GRAVITY_FAULT,      /* this connection is refused, this file cannot be used */
    MU_GRAVITY_SOME_PEERS, /* it works between these two, and other programs refuse it */
    MU_GRAVITY_SUSPICIOUS, /* it works, and will not for long, or was hardly meant */
};

/* When a fault bites, first to last: of several the first is what a person will meet. */
enum mu_phase {
    MU_PHASE_FILE,    /* before anything: a program cannot load it */
    MU_PHASE_CONNECT, /* name, TCP, and whether it is TLS at all */
    MU_PHASE_HELLO,   /* versions, ciphers, server name, protocol */
    MU_PHASE_SERVER,  /* the client judges the server's certificate */
    MU_PHASE_ASK,     /* the server asks for one, the client looks for one */
    MU_PHASE_CLIENT,  /* the server judges the client's certificate */
    MU_PHASE_HTTP,    /* all is well in TLS, and then */
    MU_PHASE_LATER,   /* not today */
};

/* Who it is that refuses, for the table of peers. */
enum mu_refuser { MU_REFUSER_BOTH, MU_REFUSER_CLIENT, MU_REFUSER_SERVER };

#define MU_FINDING_FILE_LEN 256
#define MU_FINDING_SUBJECT_LEN 256
#define MU_FINDING_FIELD_LEN 48
#define MU_FINDING_COMMAND_LEN 640
#define MU_REPORT_AT_LEN 300

struct mu_finding {
    enum mu_cause_id cause;
    enum mu_gravity gravity;
    enum mu_phase phase;
    int depth; /* within a phase: which certificate of the chain, the leaf first; small ones bite first */
    enum mu_party whose;
    enum mu_refuser refuser;
    unsigned refused_by;                  /* a set of 1u << MU_STACK_... */
    unsigned unusable_by;                 /* who cannot so much as use it as his own; a set, too */
    enum mu_holder holder;                /* whose certificate, key or file it is about */
    char file[MU_FINDING_FILE_LEN];       /* "" where it is in none */
    char key[MU_FINDING_FILE_LEN];        /* the other file, where there is one, or "" */
    char subject[MU_FINDING_SUBJECT_LEN]; /* the certificate's label, printable, or "" */
    char field[MU_FINDING_FIELD_LEN];     /* "subjectAltName", "notAfter", or "" */
    char name[MU_FINDING_SUBJECT_LEN];    /* for the remedy, or "": that of `subject` */
    char host[MU_FINDING_SUBJECT_LEN];    /* that the client asks for, or "" */
    char sentence[MU_ERROR_WHAT_LEN]; /* with the names and dates of this case; ends without a full stop */
    char remedy[MU_FINDING_COMMAND_LEN]; /* commands that mend it; until it is added, with places */
    char openssl[MU_FINDING_COMMAND_LEN];
    char raw[MU_ERROR_CAUSE_LEN]; /* the words of the library or the peer, for searching, or "" */
};

enum mu_mark {
    MU_MARK_GOOD,
    MU_MARK_BAD,
    MU_MARK_ODD,     /* works, but */
    MU_MARK_UNKNOWN, /* was not or could not be looked at */
};

struct mu_check {
    enum mu_mark mark;
    char text[MU_ERROR_WHAT_LEN];
};

/* From whose chair the report is written: who is "you". */
enum mu_view { MU_VIEW_FILES, MU_VIEW_BOTH, MU_VIEW_CLIENT, MU_VIEW_SERVER };

/* What some programs refuse, and yet no finding, as nobody has said that they are used: it stands in the table of peers alone. */
struct mu_aside {
    enum mu_cause_id cause;
    unsigned refused_by; /* a set; 0: there is none */
    enum mu_refuser refuser;
    const char *why; /* a sentence for below the table */
};

/* All zero is a report of nothing yet. */
struct mu_report {
    enum mu_view view;
    struct mu_finding *findings; /* after mu_report_finish(): what bites first comes first */
    size_t count;
    struct mu_check *checks; /* in the order in which they were made */
    size_t check_count;
    char good[MU_ERROR_WHAT_LEN]; /* what to say when nothing is wrong */
    char raw[MU_ERROR_WHAT_LEN];  /* the error that a person would have seen, or "" */
    char at[MU_REPORT_AT_LEN]; /* where the server is, HOST:PORT, or "": for the remedies of what is added */
    struct mu_here here; /* where those are run */
    char unjudged[MU_ERROR_WHAT_LEN]; /* what nobody could look at, so that "nothing is wrong" would say too much; or "" */
    const char *no_peers; /* why a table of who else would refuse says nothing here; NULL: see `peers` */
    struct mu_aside aside;
    bool peers; /* there are two sides, so that a table of who refuses makes sense */
};
void mu_report_clear(struct mu_report *report);
MU_AUTO_DEFINE_CLEAR(mu_report, mu_report_clear)

/*
 * Note a fault. `like` has everything but the sentence, and the remedies: those are the cause's, unless `like` has others, and
 * only now their places are filled, when it is known whose certificate it is about and whose move it is. A second one of the
 * same cause, file and subject is passed over. Fails with MU_E_NOMEM.
 */
MU_CHECK int mu_report_add(struct mu_report *report, const struct mu_finding *like,
                           struct mu_error *err, const char *format, ...) MU_PRINTF(4, 5);

/* A finding with all that the table knows. `file`, `name`, `host` are for the remedies' places; NULL: not known. */
struct mu_finding mu_finding_of(enum mu_cause_id cause, enum mu_gravity gravity, enum mu_phase phase,
                                const char *file, const char *name, const char *host);

/* It is about what this holder has; and where it is the move of whoever has it, it is this one's. */
void mu_finding_hold(struct mu_finding *finding, enum mu_holder holder);

/* Note what was looked at. Fails with MU_E_NOMEM. */
MU_CHECK int mu_report_check(struct mu_report *report, enum mu_mark mark, struct mu_error *err,
                             const char *format, ...) MU_PRINTF(4, 5);

/* Note what could not be judged, for want of what. Fails with MU_E_NOMEM. */
MU_CHECK int mu_report_leave_open(struct mu_report *report, struct mu_error *err,
                                  const char *format, ...) MU_PRINTF(3, 4);

/* Put the findings in order: what bites first, first. */
void mu_report_finish(struct mu_report *report);

/* Has this cause been found? */
bool mu_report_has(const struct mu_report *report, enum mu_cause_id cause);

/* The primary cause; MU_CAUSE_ok. After mu_report_finish(). */
enum mu_cause_id mu_report_cause(const struct mu_report *report);

/* 0 nothing wrong, 1 a fault, 3 suspicious, only some peers, or not all was judged. */
int mu_report_exit(const struct mu_report *report);

/* Why a program of this stack refuses, as that side; MU_CAUSE_ok: it does not. The first one that bites. */
enum mu_cause_id mu_report_refusal(const struct mu_report *report, enum mu_stack stack,
                                   enum mu_refuser as);

#endif
