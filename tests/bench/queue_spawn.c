/* queue_spawn WORKERS DIR COMMAND: hands each file of DIR to COMMAND and removes it: what no feeder of a queue can do without,
   and nothing else. Of each message the file is opened, locked, looked at and read; it is opened once more as the command's
   input, and a memory file takes what the command says; the command is started and waited for; what it said is looked for;
   a line is added to a log in DIR/..; the file is unlinked and closed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char head[1024];

static void fail(const char *what) { perror(what); _exit(1); }

static void hand_over(int dir, int log, const char *name, char *command) {
    char *args[] = {command, "-oi", "-f", "s@example.org", "--", "r@example.net", NULL}, line[200];
    struct stat named, ours;
    posix_spawn_file_actions_t actions;
    int status, input, said, file = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    pid_t pid;
    if (file < 0 || flock(file, LOCK_EX | LOCK_NB) || fstat(file, &ours)) fail(name);
    if (fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) || named.st_ino != ours.st_ino) fail(name);
    if (read(file, head, sizeof head) < 0 || (input = openat(dir, name, O_RDONLY | O_CLOEXEC)) < 0) fail(name);
    if ((said = memfd_create("said", MFD_CLOEXEC | MFD_ALLOW_SEALING)) < 0 || ftruncate(said, 65536)) fail("memfd");
    if (fcntl(said, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK)) fail("seals");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_adddup2(&actions, said, 1);
    posix_spawn_file_actions_adddup2(&actions, said, 2);
    if (posix_spawn(&pid, command, &actions, NULL, args, environ)) fail(command);
    posix_spawn_file_actions_destroy(&actions);
    if (waitpid(pid, &status, 0) < 0 || status) fail("waitpid");
    if (lseek(said, 0, SEEK_CUR) != 0) fail("said");
    close(said);
    close(input);
    memset(line, 'x', sizeof line);
    if (write(log, line, sizeof line) < 0 || unlinkat(dir, name, 0) || close(file)) fail("unlink");
}

int main(int argc, char **argv) {
    struct dirent **names;
    int dir, log, count, status, workers = argc == 4 ? atoi(argv[1]) : 0;
    if (workers < 1) return 64;
    if ((dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) fail(argv[2]);
    if ((log = openat(dir, "../log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0) fail("log");
    if ((count = scandir(argv[2], &names, NULL, NULL)) < 0) fail(argv[2]);
    for (int worker = 0; worker < workers; worker++) {
        if (fork()) continue;
        for (int i = worker; i < count; i += workers)
            if (names[i]->d_name[0] != '.') hand_over(dir, log, names[i]->d_name, argv[3]);
        _exit(0);
    }
    while (wait(&status) > 0) if (status) return 1;
    return 0;
}
