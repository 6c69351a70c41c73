/* What a launch with nothing to do cannot do without. With no argument: to be started. With the folders of queues: to be
   started, and in each to take the lock, look at the 256 folders of entries, and let the lock go. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int count, char **folders) {
    for (int i = 1; i < count; i++) {
        int queue = open(folders[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int lock = openat(queue, "lock", O_RDWR | O_CLOEXEC);
        if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0) return 1;
        for (int bucket = 0; bucket < 256; bucket++) {
            char path[16];
            struct stat stat;
            snprintf(path, sizeof path, "ready/%02x", bucket);
            if (fstatat(queue, path, &stat, AT_SYMLINK_NOFOLLOW) != 0) return 1;
        }
        close(lock);
        close(queue);
    }
    return 0;
}
