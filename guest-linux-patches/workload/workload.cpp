// SPDX-License-Identifier: MIT
// Runs fixed workloads as a guest's init and prints what each cost in TSC ticks: under QEMU's -icount one tick is one instruction.

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace
{

constexpr int kRounds = 1000;
constexpr size_t kPage = 4096;

std::uint64_t ticks()
{
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return std::uint64_t{high} << 32 | low;
}

[[noreturn]] void fail(char const* what)
{
    std::printf("WORKLOAD FAILED %s: %s\n", what, std::strerror(errno));
    std::fflush(stdout);
    sync();
    if (getpid() == 1)
        reboot(RB_POWER_OFF);
    std::exit(1);
}

void expect(bool good, char const* what)
{
    if (!good)
        fail(what);
}

void wait_for(pid_t child, char const* what)
{
    int status = 0;
    expect(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, what);
}

// Runs this program again in a child, with one argument that says what it is to do.
pid_t spawn(char const* mode, char const* argument)
{
    pid_t const child = fork();
    expect(child >= 0, "fork");
    if (child == 0)
    {
        execl("/init", "/init", mode, argument, nullptr);
        _exit(127);
    }
    return child;
}

void fork_exec_exit(int rounds)
{
    for (int i = 0; i < rounds; ++i)
        wait_for(spawn("nothing", ""), "exec");
}

void map_touch_unmap(int rounds)
{
    constexpr size_t kSize = 16 * kPage;
    for (int i = 0; i < rounds; ++i)
    {
        auto* area = static_cast<char volatile*>(
            mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        expect(area != MAP_FAILED, "mmap");
        for (size_t at = 0; at < kSize; at += kPage)
            area[at] = static_cast<char>(i);
        expect(munmap(const_cast<char*>(area), kSize) == 0, "munmap");
    }
}

void protect(int rounds)
{
    constexpr size_t kSize = 16 * kPage;
    auto* area =
        static_cast<char volatile*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    expect(area != MAP_FAILED, "mmap");
    for (int i = 0; i < rounds; ++i)
    {
        for (size_t at = 0; at < kSize; at += kPage)
            area[at] = static_cast<char>(i);
        expect(mprotect(const_cast<char*>(area), kSize, PROT_READ) == 0, "mprotect");
        expect(area[kPage] == static_cast<char>(i), "protected memory");
        expect(mprotect(const_cast<char*>(area), kSize, PROT_READ | PROT_WRITE) == 0, "mprotect");
    }
    expect(munmap(const_cast<char*>(area), kSize) == 0, "munmap");
}

// A token goes round four processes; each adds one.
void pipe_ring(int rounds)
{
    constexpr int kProcesses = 4;
    int ends[kProcesses][2];
    for (auto& pair : ends)
        expect(pipe(pair) == 0, "pipe");
    pid_t children[kProcesses - 1];
    for (int self = 1; self < kProcesses; ++self)
    {
        pid_t const child = fork();
        expect(child >= 0, "fork");
        if (child == 0)
        {
            std::uint64_t token = 0;
            for (int i = 0; i < rounds; ++i)
            {
                bool const got = read(ends[self - 1][0], &token, sizeof token) == sizeof token;
                ++token;
                if (!got || write(ends[self][1], &token, sizeof token) != sizeof token)
                    _exit(1);
            }
            _exit(0);
        }
        children[self - 1] = child;
    }
    std::uint64_t token = 0;
    for (int i = 0; i < rounds; ++i)
    {
        expect(write(ends[0][1], &token, sizeof token) == sizeof token, "write to the ring");
        expect(read(ends[kProcesses - 1][0], &token, sizeof token) == sizeof token, "read from the ring");
    }
    expect(token == std::uint64_t{kProcesses - 1} * static_cast<unsigned>(rounds), "token of the ring");
    for (pid_t const child : children)
        wait_for(child, "member of the ring");
    for (auto const& pair : ends)
    {
        close(pair[0]);
        close(pair[1]);
    }
}

void write_all(char const* path, std::string const& text)
{
    int const file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    expect(file >= 0, path);
    expect(write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()), path);
    close(file);
}

// What one compiler run does to the kernel: maps its input, fills a growing heap, writes an output.
void translate_unit(char const* number)
{
    std::string const source = std::string("/tmp/source") + number;
    int const file = open(source.c_str(), O_RDONLY);
    expect(file >= 0, source.c_str());
    struct stat facts = {};
    expect(fstat(file, &facts) == 0 && facts.st_size > 0, "fstat");
    auto const size = static_cast<size_t>(facts.st_size);
    void* const text = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    expect(text != MAP_FAILED, "mmap of a source");
    std::string result;
    for (size_t pass = 0; pass < 16; ++pass)
        for (size_t at = 0; at < size; ++at)
            result.push_back(static_cast<char>(static_cast<char const*>(text)[at] ^ static_cast<char>(pass)));
    write_all((std::string("/tmp/object") + number).c_str(), result);
}

void compile_like(int rounds)
{
    for (int i = 0; i < rounds; ++i)
    {
        std::string const number = std::to_string(i % 8);
        write_all(("/tmp/source" + number).c_str(), std::string(16384, static_cast<char>('a' + i % 26)));
        wait_for(spawn("translate", number.c_str()), "translate");
        expect(unlink(("/tmp/object" + number).c_str()) == 0, "unlink");
    }
}

// Journal, data, commit: the pattern of a small transaction in an embedded database.
void database_like(int rounds)
{
    std::string const page(kPage, 'd');
    int const data = open("/tmp/data", O_CREAT | O_RDWR, 0644);
    expect(data >= 0, "data file");
    for (int i = 0; i < rounds; ++i)
    {
        write_all("/tmp/journal", page);
        expect(pwrite(data, page.data(), page.size(), static_cast<off_t>(kPage) * (i % 64)) ==
                   static_cast<ssize_t>(page.size()),
               "data page");
        expect(fdatasync(data) == 0, "fdatasync");
        expect(unlink("/tmp/journal") == 0, "unlink of the journal");
    }
    close(data);
    expect(unlink("/tmp/data") == 0, "unlink of the data");
}

// With stops=1 in the environment, whoever reads our counters from outside is waited for: it answers with a line.
void stop(char const* what)
{
    if (std::getenv("stops") == nullptr)
        return;
    std::printf("WORKLOAD stop %s\n", what);
    std::fflush(stdout);
    char byte = 0;
    do
        expect(read(0, &byte, 1) == 1, "answer to a stop");
    while (byte != '\n');
}

// Whether only=NAME in the environment leaves this workload out.
bool is_wanted(char const* name)
{
    char const* const only = std::getenv("only");
    return only == nullptr || std::strcmp(only, name) == 0;
}

// The first rounds of each warm caches up and are not measured.
void measure(char const* name, void (*run)(int), int rounds)
{
    if (!is_wanted(name))
        return;
    run(rounds / 20 + 1);
    stop("begin");
    std::printf("WORKLOAD begin %s\n", name);
    std::fflush(stdout);
    std::uint64_t const start = ticks();
    run(rounds);
    std::uint64_t const end = ticks();
    std::printf("WORKLOAD end %s rounds=%d ticks=%llu\n", name, rounds, static_cast<unsigned long long>(end - start));
    stop(name);
}

void print_memory()
{
    char text[256] = {};
    int const file = open("/proc/meminfo", O_RDONLY);
    expect(file >= 0 && read(file, text, sizeof text - 1) > 0, "/proc/meminfo");
    close(file);
    for (char* line = std::strtok(text, "\n"); line != nullptr; line = std::strtok(nullptr, "\n"))
        if (std::strncmp(line, "Mem", 3) == 0)
            std::printf("WORKLOAD memory %s\n", line);
}

// Without a console device the kernel's log is the way out.
void make_output()
{
    if (fcntl(1, F_GETFD) >= 0)
        return;
    int const log = open("/dev/kmsg", O_RDWR);
    if (log >= 0)
        for (int number = 0; number <= 2; ++number)
            dup2(log, number);
}

int run_as_init()
{
    make_output();
    std::printf("WORKLOAD init ticks=%llu\n", static_cast<unsigned long long>(ticks()));
    stop("init");
    mkdir("/proc", 0755);
    mkdir("/tmp", 0755);
    expect(mount("proc", "/proc", "proc", 0, nullptr) == 0, "mount of /proc");
    expect(mount("tmpfs", "/tmp", "tmpfs", 0, nullptr) == 0, "mount of /tmp");
    print_memory();
    if (std::getenv("boot_only") == nullptr)
    {
        measure("fork_exec_exit", fork_exec_exit, kRounds);
        measure("map_touch_unmap", map_touch_unmap, kRounds);
        measure("mprotect", protect, kRounds);
        measure("pipe_ring", pipe_ring, kRounds);
        measure("compile_like", compile_like, kRounds / 20);
        measure("database_like", database_like, kRounds);
    }
    std::printf("WORKLOAD all passed\n");
    std::fflush(stdout);
    sync();
    reboot(std::getenv("then_reboot") == nullptr ? RB_POWER_OFF : RB_AUTOBOOT);
    return 0;
}

} // namespace

int main(int count, char** words)
{
    if (count > 1 && std::strcmp(words[1], "nothing") == 0)
        return 0;
    if (count > 2 && std::strcmp(words[1], "translate") == 0)
    {
        translate_unit(words[2]);
        return 0;
    }
    return run_as_init();
}
