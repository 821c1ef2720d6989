// SPDX-License-Identifier: MIT
// Lets Debian's two store daemons run on a machine without a hypervisor: preloaded into them, it answers the calls to
// Xen's libraries that they make at start with success and nothing behind it. Benchmarks and comparisons use it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static int handle_; // its address stands for every library handle
static int event_pipe_[2] = {-1, -1};

void* xc_interface_open(void* logger, void* dombuild, unsigned flags)
{
    (void)logger, (void)dombuild, (void)flags;
    return &handle_;
}
int xc_interface_close(void* handle)
{
    (void)handle;
    return 0;
}
int xc_domain_getinfo(void* handle, uint32_t first, unsigned count, void* info)
{
    (void)handle, (void)first, (void)count, (void)info;
    return 0;
}
void* xenevtchn_open(void* logger, unsigned flags)
{
    (void)logger, (void)flags;
    if (event_pipe_[0] < 0 && pipe(event_pipe_) != 0)
    {
        return NULL;
    }
    return &handle_;
}
void* xenevtchn_fdopen(void* logger, int fd, unsigned flags)
{
    (void)fd;
    return xenevtchn_open(logger, flags);
}
int xenevtchn_close(void* handle)
{
    (void)handle;
    return 0;
}
int xenevtchn_fd(void* handle)
{
    (void)handle;
    return event_pipe_[0];
}
static int next_port_ = 1;
int xenevtchn_bind_interdomain(void* handle, uint32_t domain, uint32_t port)
{
    (void)handle, (void)domain, (void)port;
    return next_port_++;
}
int xenevtchn_bind_virq(void* handle, unsigned virq)
{
    (void)handle, (void)virq;
    return next_port_++;
}
int xenevtchn_unbind(void* handle, uint32_t port)
{
    (void)handle, (void)port;
    return 0;
}
int xenevtchn_notify(void* handle, uint32_t port)
{
    (void)handle, (void)port;
    return 0;
}
int xenevtchn_unmask(void* handle, uint32_t port)
{
    (void)handle, (void)port;
    return 0;
}
int xenevtchn_pending(void* handle)
{
    (void)handle;
    errno = EAGAIN;
    return -1;
}
void* xengnttab_open(void* logger, unsigned flags)
{
    (void)logger, (void)flags;
    return &handle_;
}
int xengnttab_close(void* handle)
{
    (void)handle;
    return 0;
}
int xengnttab_set_max_grants(void* handle, uint32_t count)
{
    (void)handle, (void)count;
    return 0;
}
void* xengnttab_map_grant_ref(void* handle, uint32_t domain, uint32_t reference, int protection)
{
    (void)handle, (void)domain, (void)reference;
    void* page = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? NULL : page;
}
int xengnttab_unmap(void* handle, void* address, uint32_t count)
{
    (void)handle;
    return munmap(address, (size_t)count * 4096);
}

// No limit on descriptors is raised: the machine that measures may not allow it.
int setrlimit(__rlimit_resource_t resource, struct rlimit const* limit)
{
    (void)resource, (void)limit;
    return 0;
}

// The files of xenfs: a page for the ring of the control domain's kernel, and its port.
static int special_file(char const* path)
{
    if (strcmp(path, "/proc/xen/xsd_kva") == 0 || strcmp(path, "/dev/xen/xsd_kva") == 0)
    {
        int fd = memfd_create("ring", 0);
        return ftruncate(fd, 4096) == 0 ? fd : -1;
    }
    if (strcmp(path, "/proc/xen/xsd_port") == 0)
    {
        int fd = memfd_create("port", 0);
        return write(fd, "1", 1) == 1 && lseek(fd, 0, SEEK_SET) == 0 ? fd : -1;
    }
    return -2;
}

static int forward_open(char const* name, char const* path, int flags, mode_t mode)
{
    int const special = special_file(path);
    if (special != -2)
    {
        return special;
    }
    int (*next)(char const*, int, ...) = (int (*)(char const*, int, ...))dlsym(RTLD_NEXT, name);
    return next(path, flags, mode);
}
int open(char const* path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t const mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return forward_open("open", path, flags, mode);
}
int open64(char const* path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t const mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return forward_open("open64", path, flags, mode);
}
