#include "net/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* --- The house --- */

static bool same_entrance(const struct mu_address *a, const struct mu_address *b)
{
    return a->inherited == b->inherited && mu_address_same(a, b);
}

static struct mu_entrance *find_entrance(const struct mu_house *house,
                                         const struct mu_address *address)
{
    for (size_t i = 0; i < house->entrance_count; i++)
        if (same_entrance(&house->entrances[i].wanted, address))
            return &house->entrances[i];
    return NULL;
}

static int add_entrances(struct mu_house *house, const struct mu_server_door *door,
                         struct mu_error *err)
{
    struct mu_entrance *longer =
        realloc(house->entrances, (house->entrance_count + door->listen_count) * sizeof *longer);
    if (longer == NULL)
        return mu_fail_nomem(err);
    house->entrances = longer;
    for (size_t i = 0; i < door->listen_count; i++) {
        struct mu_entrance *entrance = find_entrance(house, &door->listen[i]);
        if (entrance == NULL) {
            entrance = &house->entrances[house->entrance_count++];
            *entrance = (struct mu_entrance){.wanted = door->listen[i],
                                             .address = door->listen[i],
                                             .handshake_ms = door->deadlines.handshake_ms};
        }
        if (door->deadlines.handshake_ms < entrance->handshake_ms)
            entrance->handshake_ms = door->deadlines.handshake_ms;
    }
    return 0;
}

bool mu_entrance_is_at(const struct mu_entrance *entrance, const struct mu_address *wanted)
{
    return same_entrance(&entrance->wanted, wanted);
}

bool mu_entrance_same(const struct mu_entrance *a, const struct mu_entrance *b)
{
    return same_entrance(&a->wanted, &b->wanted);
}

static void free_house(struct mu_house *house)
{
    free(house->entrances);
    free(house);
}

int mu_house_new(const struct mu_server_doors *doors, struct mu_house **ret, struct mu_error *err)
{
    struct mu_house *house = calloc(1, sizeof *house);
    if (house == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < doors->count; i++)
        if (add_entrances(house, &doors->at[i], err) != 0) {
            free_house(house);
            return -1;
        }
    house->doors = *doors;
    atomic_init(&house->users, 1);
    *ret = house;
    return 0;
}

void mu_house_leave(struct mu_house *house)
{
    if (house == NULL || atomic_fetch_sub(&house->users, 1) != 1)
        return;
    if (house->doors.released != NULL)
        house->doors.released(house->doors.arg);
    free_house(house);
}

static bool keep(struct mu_entrance *entrance, const struct mu_house *before)
{
    const struct mu_entrance *kept =
        before == NULL ? NULL : find_entrance(before, &entrance->wanted);
    if (kept == NULL)
        return false;
    entrance->address = kept->address;
    return entrance->open = true;
}

/* errno tells, too. */
static int claim(struct mu_entrance *entrance, const struct mu_house *before,
                 const struct mu_entrance *previous, struct mu_error *err)
{
    if (keep(entrance, before))
        return 0;
    if (entrance->address.optional && previous != NULL && mu_address_port(&entrance->address) == 0)
        mu_address_set_port(&entrance->address, mu_address_port(&previous->address));
    return mu_listener_claim(&entrance->address, err);
}

int mu_house_claim(struct mu_house *house, const struct mu_house *before, struct mu_error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < house->entrance_count; i++) {
        struct mu_entrance entrance = house->entrances[i];
        const struct mu_entrance *previous = count == 0 ? NULL : &house->entrances[count - 1];
        if (claim(&entrance, before, previous, err) == 0)
            house->entrances[count++] = entrance;
        else if (!entrance.address.optional || (errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT))
            return -1;
    }
    house->entrance_count = count;
    return 0;
}

void mu_house_close(struct mu_house *house, const struct mu_house *before)
{
    for (size_t i = 0; i < house->entrance_count; i++)
        if (!keep(&house->entrances[i], before))
            house->entrances[i].open = true;
}

/* --- A hall of it --- */

/* What tells a door from those that are like it: where it is, and by which names. */
static int make_context(const struct mu_server_door *door, struct mu_tls_context **ret,
                        struct mu_error *err)
{
    char text[MU_ADDRESS_LEN];
    struct mu_tls_door tls = door->tls;
    MU_AUTO_CLEAR(mu_buf) place = MU_BUF_INIT;
    for (size_t i = 0; i < door->listen_count; i++)
        mu_buf_addf(&place, "%s ", mu_address_text(&door->listen[i], text));
    for (size_t i = 0; door->names != NULL && i < door->names->count; i++)
        mu_buf_addf(&place, "%s ", door->names->at[i]);
    if (mu_buf_failed(&place))
        return mu_fail_nomem(err);
    tls.place = mu_buf_str(&place);
    return mu_tls_context_new(&tls, ret, err);
}

static int make_doors(struct mu_hall *hall, struct mu_error *err)
{
    const struct mu_server_doors *doors = &hall->house->doors;
    hall->doors = calloc(doors->count, sizeof *hall->doors);
    if (hall->doors == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < doors->count; i++) {
        const struct mu_server_door *door = &doors->at[i];
        struct mu_worker_door *ret = &hall->doors[i];
        ret->door = door;
        hall->door_count++;
        if ((!door->plain && make_context(door, &ret->tls, err) != 0) ||
            (door->calls != NULL && mu_tls_caller_new(door->calls, &ret->caller, err) != 0))
            return -1;
    }
    return 0;
}

static bool same_block(const struct mu_cidr *a, const struct mu_cidr *b)
{
    return a->len == b->len && a->bits == b->bits && memcmp(a->address, b->address, a->len) == 0;
}

/* A proxy speaks before its client asks for a name: whom to believe cannot depend on the door. */
static bool same_proxies(const struct mu_server_door *a, const struct mu_server_door *b)
{
    bool same = a->proxied == b->proxied && a->proxy_count == b->proxy_count;
    for (size_t i = 0; same && i < a->proxy_count; i++)
        same = same_block(&a->proxies[i], &b->proxies[i]);
    return same;
}

static const struct mu_worker_door *first_of(const struct mu_gate *gate)
{
    return mu_tls_names_first(gate->names)->door;
}

static int add_name(struct mu_gate *gate, const char *name, const struct mu_tls_named *named,
                    struct mu_error *err)
{
    struct mu_error why = MU_ERROR_INIT;
    char text[MU_ADDRESS_LEN];
    if (mu_tls_names_add(gate->names, name, named, &why) == 0)
        return 0;
    mu_fail(err, why.code, "%s: %s", mu_address_text(&gate->entrance->address, text), why.what);
    return mu_hint(err, "%s", why.hint);
}

static int add_door(struct mu_gate *gate, const struct mu_worker_door *door, struct mu_error *err)
{
    const struct mu_tls_named named = {.context = door->tls, .door = door};
    const struct mu_strs *names = door->door->names;
    char text[MU_ADDRESS_LEN];
    if (door->tls == NULL && gate->first == NULL) {
        gate->first = door;
        return 0;
    }
    if (door->tls == NULL || (gate->first != NULL && gate->names == NULL))
        return mu_fail(err, MU_E_EXISTS, "two doors are at %s, and one of them is without TLS",
                       mu_address_text(&gate->entrance->address, text));
    if (gate->names != NULL && !same_proxies(door->door, first_of(gate)->door)) {
        mu_fail(err, MU_E_EXISTS, "the doors at %s do not agree on whose word to take for a client",
                mu_address_text(&gate->entrance->address, text));
        return mu_hint(err, "give them the same proxy_protocol and proxy_from");
    }
    if (gate->names == NULL && mu_tls_names_new(&gate->names, err) != 0)
        return -1;
    if (names == NULL || names->count == 0)
        return add_name(gate, NULL, &named, err);
    for (size_t i = 0; i < names->count; i++)
        if (add_name(gate, names->at[i], &named, err) != 0)
            return -1;
    return 0;
}

bool mu_door_is_at(const struct mu_server_door *door, const struct mu_entrance *entrance)
{
    for (size_t i = 0; i < door->listen_count; i++)
        if (same_entrance(&door->listen[i], &entrance->wanted))
            return true;
    return false;
}

static int make_gates(struct mu_hall *hall, struct mu_error *err)
{
    struct mu_house *house = hall->house;
    hall->gates = calloc(house->entrance_count, sizeof *hall->gates);
    if (hall->gates == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < house->entrance_count; i++) {
        struct mu_gate *gate = &hall->gates[hall->gate_count++];
        gate->entrance = &house->entrances[i];
        for (size_t j = 0; j < hall->door_count; j++)
            if (mu_door_is_at(hall->doors[j].door, gate->entrance) &&
                add_door(gate, &hall->doors[j], err) != 0)
                return -1;
        if (gate->names != NULL)
            gate->first = first_of(gate);
    }
    return 0;
}

int mu_hall_new(struct mu_house *house, struct mu_hall **ret, struct mu_error *err)
{
    struct mu_hall *hall = calloc(1, sizeof *hall);
    if (hall == NULL)
        return mu_fail_nomem(err);
    hall->house = house;
    hall->users = 1;
    atomic_fetch_add(&house->users, 1);
    if (make_doors(hall, err) != 0 || make_gates(hall, err) != 0) {
        mu_hall_leave(hall);
        return -1;
    }
    *ret = hall;
    return 0;
}

void mu_hall_begin_task(struct mu_hall *hall, struct mu_worker *worker)
{
    const struct mu_server_doors *doors = &hall->house->doors;
    if (doors->begun != NULL)
        hall->task = doors->begun(doors->arg, worker);
}

void mu_hall_end_task(struct mu_hall *hall)
{
    if (hall == NULL || hall->task == NULL)
        return;
    hall->house->doors.ended(hall->task);
    hall->task = NULL;
}

struct mu_hall *mu_hall_enter(struct mu_hall *hall)
{
    hall->users++;
    return hall;
}

const struct mu_worker_door *mu_hall_door(const struct mu_hall *hall, const struct mu_gate *gate,
                                          const char *name, size_t len)
{
    for (size_t i = 0; i < hall->gate_count; i++) {
        const struct mu_gate *now = &hall->gates[i];
        if (!mu_entrance_same(now->entrance, gate->entrance) || now->names == NULL)
            continue;
        const struct mu_tls_named *named = mu_tls_names_find(now->names, name, len);
        return named == NULL ? NULL : named->door;
    }
    return NULL;
}

static const struct mu_gate *gate_of(const struct mu_hall *hall, const struct mu_worker_door *door)
{
    for (size_t i = 0; i < hall->gate_count; i++)
        if (mu_door_is_at(door->door, hall->gates[i].entrance))
            return &hall->gates[i];
    return NULL;
}

void mu_hall_retire(struct mu_hall *hall, const struct mu_hall *present)
{
    for (size_t i = 0; hall != NULL && i < hall->door_count; i++) {
        const struct mu_worker_door *door = &hall->doors[i], *now = NULL;
        const struct mu_strs *names = door->door->names;
        const struct mu_gate *gate = gate_of(hall, door);
        const char *name = names == NULL || names->count == 0 ? "" : names->at[0];
        if (gate != NULL && door->tls != NULL)
            now = mu_hall_door(present, gate, name, strlen(name));
        if (now != NULL && now->tls != NULL)
            mu_tls_context_follow(door->tls, now->tls);
    }
}

void mu_hall_leave(struct mu_hall *hall)
{
    if (hall == NULL || --hall->users > 0)
        return;
    for (size_t i = 0; i < hall->gate_count; i++)
        mu_tls_names_free(hall->gates[i].names);
    for (size_t i = 0; i < hall->door_count; i++) {
        mu_tls_context_free(hall->doors[i].tls);
        mu_tls_caller_free(hall->doors[i].caller);
    }
    free(hall->gates);
    free(hall->doors);
    mu_house_leave(hall->house);
    free(hall);
}
