// SPDX-License-Identifier: MIT
// Implements the dropping of privileges: capabilities, and a filter of system calls.
#include "daemon/sandbox.hpp"

#include <cerrno>
#include <cstddef>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace tessera::store
{

namespace
{

// What the daemon, the C++ runtime and Xen's libraries call while serving, and while a live update starts a program.
constexpr int kAllowed[] = {
    // serving
    SYS_epoll_wait,
    SYS_epoll_pwait,
    SYS_recvfrom,
    SYS_sendto,
    SYS_read,
    SYS_write,
    SYS_ioctl,
    SYS_accept4,
    SYS_epoll_ctl,
    SYS_close,
    SYS_clock_gettime,
    SYS_gettimeofday,
    SYS_writev,
    SYS_readv,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_shutdown,
    SYS_poll,
    SYS_ppoll,
    SYS_fcntl,
    SYS_setsockopt,
    SYS_getsockopt,
    SYS_restart_syscall,
    SYS_sched_yield,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    // memory
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_brk,
    SYS_madvise,
    SYS_mlock,
    SYS_munlock,
    SYS_memfd_create,
    SYS_futex,
    // files of the state, the log and the devices
    SYS_openat,
    SYS_open,
    SYS_newfstatat,
    SYS_fstat,
    SYS_statfs,
    SYS_stat,
    SYS_lstat,
    SYS_statx,
    SYS_lseek,
    SYS_pread64,
    SYS_pwrite64,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_rename,
    SYS_renameat2,
    SYS_unlink,
    SYS_unlinkat,
    SYS_mkdir,
    SYS_getdents64,
    SYS_flock,
    SYS_umask,
    SYS_access,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlink,
    SYS_readlinkat,
    SYS_getcwd,
    SYS_fsync,
    SYS_fdatasync,
    // starting
    SYS_execve,
    SYS_epoll_create1,
    SYS_eventfd2,
    SYS_signalfd4,
    SYS_bind,
    SYS_listen,
    SYS_connect,
    SYS_getsockname,
    SYS_dup,
    SYS_dup2,
    SYS_dup3,
    SYS_pipe2,
    SYS_getrandom,
    SYS_arch_prctl,
    SYS_prctl,
    SYS_seccomp,
    SYS_capset,
    SYS_capget,
    SYS_set_tid_address,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_prlimit64,
    SYS_getrlimit,
    SYS_setrlimit,
    SYS_uname,
    SYS_sysinfo,
    SYS_sched_getaffinity,
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    // signals and the end
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_tgkill,
    SYS_exit,
    SYS_exit_group,
};

constexpr sock_filter kAllow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
constexpr sock_filter kRefuse = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);

bool filter_system_calls()
{
    std::vector<sock_filter> program = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    };
    // Each test that holds returns at once; the calls of the serving loop come first.
    for (int const number : kAllowed)
    {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<__u32>(number), 0, 1));
        program.push_back(kAllow);
    }
    // Sockets of the machine only: no network.
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3));
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 1));
    program.push_back(kAllow);
    program.push_back(kRefuse);
    sock_fprog const filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}

} // namespace

bool drop_privileges()
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct const none[_LINUX_CAPABILITY_U32S_3] = {};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::syscall(SYS_capset, &header, none) == 0 &&
           filter_system_calls();
}

} // namespace tessera::store
