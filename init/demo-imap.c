/*
 * demo-imap PORT NAME PASSWORD: shows all mail of INBOX by IMAP from PORT of 127.0.0.1, sets \Seen and
 * lists the mailboxes, and shows the conversation.
 *
 * For the demonstration only: it is there because a fresh machine has no other client that shows what it
 * says. Exit status: 0 done, 1 refused (the reply is the last one shown), 2 the server hung up or could
 * not be reached.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { DONE, REFUSED, GONE };

static FILE *from_server, *to_server;
static char line[4000];
static int number;

static void gone(const char *why)
{
    printf("   (%s)\n", why);
    exit(GONE);
}

static void read_line(void)
{
    if (!fgets(line, sizeof line, from_server)) gone("the server hung up");
    line[strcspn(line, "\r\n")] = 0;
    printf("S: %s\n", line);
}

/* Sends a command, and reads up to its tagged reply; whoever is refused goes no further. */
static void ask(const char *command)
{
    char tag[20];

    snprintf(tag, sizeof tag, "a%d ", ++number);
    printf("C: %s%s\n", tag, command);
    fprintf(to_server, "%s%s\r\n", tag, command);
    fflush(to_server);
    do read_line(); while (strncmp(line, tag, strlen(tag)) != 0);
    if (strncmp(line + strlen(tag), "OK", 2) != 0) exit(REFUSED);
}

int main(int argc, char **argv)
{
    struct sockaddr_in server = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = 20};
    char command[400];
    int fd;

    if (argc != 4) {
        fprintf(stderr, "usage: demo-imap PORT NAME PASSWORD\n");
        return 100;
    }
    server.sin_port = htons((unsigned short)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd < 0 || connect(fd, (void *)&server, sizeof server) < 0) gone("the server does not answer");
    from_server = fdopen(fd, "r");
    to_server = fdopen(dup(fd), "w");
    if (!from_server || !to_server) gone("out of memory");

    read_line();
    /* Neither has a quote or a backslash. */
    snprintf(command, sizeof command, "LOGIN \"%s\" \"%s\"", argv[2], argv[3]);
    ask(command);
    ask("SELECT INBOX");
    ask("FETCH 1:* (FLAGS RFC822.SIZE BODY[])");
    ask("SEARCH SUBJECT hello");
    ask("LIST \"\" *");
    ask("LOGOUT");
    return DONE;
}
