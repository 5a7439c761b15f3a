#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void mu_sandbox_clear(struct mu_sandbox *sandbox)
{
    mu_strs_clear(&sandbox->readable);
    mu_strs_clear(&sandbox->listable);
    mu_strs_clear(&sandbox->writable);
    mu_strs_clear(&sandbox->sockets);
}

/* --- System calls --- */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#endif

/* Sanitizers look at the process from another one, start programs, and read and write files where they like. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/*
 * What a server never does, and who has taken one over would like to: other programs and processes, the kernel, its
 * clock and its mounts, other users. io_uring is here because what goes through it is not looked at.
 */
static const uint16_t denied[] = {
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsmount,
    SYS_fsconfig,
    SYS_fspick,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_personality,
    SYS_syslog,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_mknodat,
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_capset,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_vhangup,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_mknod,
#endif
#if !SANITIZED
    SYS_ptrace,
    SYS_execve,
    SYS_execveat,
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
#endif
};

enum { DENIED_COUNT = sizeof denied / sizeof denied[0] };

#ifdef ARCHITECTURE
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define EQUALS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define HAS(bits, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), (yes), (no))
enum { X32_BIT = 0x40000000 };

/*
 * Threads are made by clone(2), which says so in its flags; clone3(2) has them in memory, where a filter cannot look, so it
 * is said not to exist, and the C library falls back to the other.
 */
static bool filter_calls(void)
{
    struct sock_filter program[DENIED_COUNT * 2 + 16];
    unsigned short len = 0;
    program[len++] = (struct sock_filter)LOAD(arch);
    program[len++] = (struct sock_filter)EQUALS(ARCHITECTURE, 1, 0);
    program[len++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
    program[len++] = (struct sock_filter)LOAD(nr);
    program[len++] = (struct sock_filter)HAS(X32_BIT, 0, 1);
    program[len++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM);
    for (size_t i = 0; i < DENIED_COUNT; i++) {
        program[len++] = (struct sock_filter)EQUALS(denied[i], 0, 1);
        program[len++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM);
    }
    if (!SANITIZED) {
        program[len++] = (struct sock_filter)EQUALS(SYS_clone3, 0, 1);
        program[len++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | ENOSYS);
        program[len++] = (struct sock_filter)EQUALS(SYS_clone, 0, 3);
        program[len++] =
            (struct sock_filter)LOAD(args[0]); /* the lower half: all of these are little-endian */
        program[len++] = (struct sock_filter)HAS(CLONE_THREAD, 1, 0);
        program[len++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM);
    }
    program[len++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    const struct sock_fprog whole = {.len = len, .filter = program};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &whole) == 0;
}

void mu_sandbox_prepare(void)
{
    struct sock_filter program[] = {
        LOAD(arch),
        EQUALS(ARCHITECTURE, 0, 3),
        LOAD(nr),
        EQUALS(SYS_io_uring_setup, 0, 1),
        RETURN(SECCOMP_RET_ERRNO | ENOSYS),
        RETURN(SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog whole = {.len = sizeof program / sizeof program[0], .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        (void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole);
}
#else
static bool filter_calls(void)
{
    return false; /* the numbers of its system calls are not known here */
}

void mu_sandbox_prepare(void) {}
#endif

/* --- Files --- */

/* All that Landlock knows of files, version by version; and how much of its structure each version has. */
#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define SOCKET_RIGHTS (LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define LANDLOCK_TRUNCATE (UINT64_C(1) << 14) /* since its third version */
#define WRITE_RIGHTS                                                                               \
    (READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                   \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_TRUNCATE)
enum { NEWEST = 6 };
static const uint64_t known_rights[NEWEST + 1] = {0,      0x1fff, 0x3fff, 0x7fff,
                                                  0x7fff, 0xffff, 0xffff};

/* Debian 12's header knows the first field only. */
struct ruleset {
    uint64_t files, network, scopes;
};
enum { SCOPE_SIGNAL = 2 };

static int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version < 0 ? 0 : (int)version;
}

static int allow(int ruleset, const char *path, uint64_t rights, struct mu_error *err)
{
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rights &= LANDLOCK_ACCESS_FS_READ_FILE;
    const struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
    long result = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    if (result != 0)
        mu_fail_errno(err, MU_E_SYSTEM, "cannot restrict which files may be read (at %s)", path);
    close(fd);
    return (int)result;
}

static int restrict_files(const struct mu_sandbox *sandbox, int version, struct mu_error *err)
{
    const int known = version > NEWEST ? NEWEST : version;
    const struct ruleset all = {.files = known_rights[known],
                                .scopes = known >= NEWEST ? SCOPE_SIGNAL : 0};
    const size_t size = known >= NEWEST ? sizeof all : sizeof all.files;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);
    if (ruleset < 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot restrict which files may be read");
    int result = 0;
    for (size_t i = 0; result == 0 && i < sandbox->readable.count; i++)
        result = allow(ruleset, sandbox->readable.at[i], READ_RIGHTS, err);
    for (size_t i = 0; result == 0 && i < sandbox->listable.count; i++)
        result = allow(ruleset, sandbox->listable.at[i], LANDLOCK_ACCESS_FS_READ_DIR, err);
    for (size_t i = 0; result == 0 && i < sandbox->sockets.count; i++)
        result = allow(ruleset, sandbox->sockets.at[i], SOCKET_RIGHTS, err);
    for (size_t i = 0; result == 0 && i < sandbox->writable.count; i++)
        result = allow(ruleset, sandbox->writable.at[i], WRITE_RIGHTS & known_rights[known], err);
    if (result == 0 && (result = (int)syscall(SYS_landlock_restrict_self, ruleset, 0)) != 0)
        mu_fail_errno(err, MU_E_SYSTEM, "cannot restrict which files may be read");
    close(ruleset);
    return result;
}

int mu_sandbox_enter(const struct mu_sandbox *sandbox, struct mu_sandbox_state *ret,
                     struct mu_error *err)
{
    *ret =
        (struct mu_sandbox_state){.no_new_privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0};
    if (!ret->no_new_privileges)
        return 0; /* without which the kernel lets nobody have the rest */
    int version = SANITIZED || sandbox->leave_files ? 0 : landlock_version();
    if (version > 0 && restrict_files(sandbox, version, err) != 0)
        return -1;
    ret->landlock = version;
    ret->denied_calls = filter_calls() ? DENIED_COUNT : 0;
    return 0;
}
