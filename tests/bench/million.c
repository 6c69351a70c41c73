/* What no program that lists a queue can leave out: glance_limit QUEUE opens each entry of the folder QUEUE, reads its first
   4 KiB, and looks up its journal, in two threads that take one folder after another: ready/<hh>, jobs/<job>/ready/<n>.
   glance_limit QUEUE names reads the names alone. Prints how many seconds that took, and how many there were. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FOLDERS = 1 << 16, THREADS = 2 };

struct folder { char entries[160], journals[160]; };

static struct folder *folders;
static int queue, count, names_alone;
static atomic_int next;
static atomic_long files, bytes;

static void add(const char *entries, const char *journals) {
    if (count == FOLDERS) return;
    snprintf(folders[count].entries, sizeof folders->entries, "%s", entries);
    snprintf(folders[count++].journals, sizeof folders->journals, "%s", journals);
}

static DIR *list(const char *path) {
    int fd = openat(queue, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? NULL : fdopendir(fd);
}

static void *work(void *none) {
    static __thread char head[4096];
    char journal[512];
    struct dirent *entry;
    int i;
    while ((i = atomic_fetch_add(&next, 1)) < count) {
        DIR *names = list(folders[i].entries);
        if (!names) continue;
        while ((entry = readdir(names))) {
            if (strlen(entry->d_name) < 18) continue;
            if (names_alone) {
                files++;
                continue;
            }
            int file = openat(dirfd(names), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
            if (file < 0) continue;
            bytes += pread(file, head, sizeof head, 0);
            close(file);
            snprintf(journal, sizeof journal, "%s/%s.log", folders[i].journals, entry->d_name + 17);
            file = openat(queue, journal, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
            if (file >= 0) {
                bytes += read(file, head, sizeof head);
                close(file);
            }
            files++;
        }
        closedir(names);
    }
    return none;
}

int main(int argc, char **argv) {
    struct timespec from, to;
    pthread_t threads[THREADS];
    char path[160], journals[160];
    struct dirent *job, *part;
    DIR *jobs, *parts;
    if (argc < 2 || (queue = open(argv[1], O_RDONLY | O_DIRECTORY)) < 0) return 64;
    names_alone = argc > 2;
    clock_gettime(CLOCK_MONOTONIC, &from);
    folders = calloc(FOLDERS, sizeof *folders);
    for (int i = 0; i < 256; i++) {
        snprintf(path, sizeof path, "ready/%02x", i);
        snprintf(journals, sizeof journals, "journal/%02x", i);
        add(path, journals);
    }
    for (jobs = list("jobs"); jobs && (job = readdir(jobs));) {
        if (job->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "jobs/%.60s/ready", job->d_name);
        snprintf(journals, sizeof journals, "jobs/%.60s/journal", job->d_name);
        for (parts = list(path); parts && (part = readdir(parts));) {
            if (part->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "jobs/%.60s/ready/%.20s", job->d_name, part->d_name);
            add(path, journals);
        }
        if (parts) closedir(parts);
    }
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.4f seconds, %ld files\n", to.tv_sec - from.tv_sec + (to.tv_nsec - from.tv_nsec) * 1e-9, (long)files);
    return bytes < 0;
}
