/* A mail relay for tests: takes SMTP on 10.77.7.1:2525, one session at a time, and writes a line for each message that was
   handed over whole: its X-Number, its envelope sender, its recipients.
   usage: smtp LOG */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static void path(const char *line, char *out, size_t room) {
    const char *from = strchr(line, '<'), *to = from ? strchr(from, '>') : NULL;
    if (to) snprintf(out + strlen(out), room - strlen(out), "%.*s ", (int)(to - from - 1), from + 1);
}

static void session(FILE *in, FILE *out, const char *log) {
    char line[4096], envelope[65536] = "", number[64] = "?";
    int data = 0;
    fprintf(out, "220 relay ESMTP\r\n");
    while (fflush(out), fgets(line, sizeof line, in)) {
        if (data) {
            if (sscanf(line, "X-Number: %63s", number) == 1 || strcmp(line, ".\r\n")) continue;
            FILE *f = fopen(log, "a");
            fprintf(f, "%s %s\n", number, envelope);
            fclose(f);
            data = 0;
            fprintf(out, "250 taken\r\n");
        } else if (!strncasecmp(line, "MAIL", 4)) {
            envelope[0] = 0;
            path(line, envelope, sizeof envelope);
            fprintf(out, "250 ok\r\n");
        } else if (!strncasecmp(line, "RCPT", 4)) {
            path(line, envelope, sizeof envelope);
            fprintf(out, "250 ok\r\n");
        } else if (!strncasecmp(line, "DATA", 4)) {
            data = 1;
            fprintf(out, "354 go on\r\n");
        } else if (!strncasecmp(line, "QUIT", 4)) {
            fprintf(out, "221 bye\r\n");
            fflush(out);
            return;
        } else {
            fprintf(out, "250 ok\r\n");
        }
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(2525)};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), peer;
    if (argc != 2) return 64;
    inet_pton(AF_INET, "10.77.7.1", &at.sin_addr);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 64)) {
        perror("smtp");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    while ((peer = accept(listener, NULL, NULL)) >= 0) {
        FILE *in = fdopen(peer, "r"), *out = fdopen(dup(peer), "w");
        session(in, out, argv[1]);
        fclose(in);
        fclose(out);
    }
    return 1;
}
