/* The command's name, and how the process ends. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fields.h"
#include "cli/help.h"

static int unknown_command(const char *word)
{
    const char *names[PN_MAX_COMMANDS + 1] = {NULL};
    pn_err err = {0};
    for (int i = 0; pn_commands[i] && i < PN_MAX_COMMANDS; i++)
        names[i] = pn_commands[i]->name;
    const char *near = pn_word_nearest(names, word);
    pn_status st =
        near
            ? pn_fail(&err, PN_EINVAL, "unknown command %s; did you mean %s?", word, near)
            : pn_fail(&err, PN_EINVAL, "unknown command %s; see penult -h", word);
    return pn_cli_fail(&err, st);
}

static int dispatch(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word) {
        pn_err err = {0};
        return pn_cli_fail(
            &err, pn_fail(&err, PN_EINVAL, "a command is wanted; see penult -h"));
    }
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0 ||
        strcmp(word, "help") == 0) {
        pn_help_print();
        return PN_EXIT_OK;
    }
    if (strcmp(word, "--version") == 0) {
        puts("penult " PENULT_VERSION);
        return PN_EXIT_OK;
    }
    for (int i = 0; pn_commands[i]; i++)
        if (strcmp(word, pn_commands[i]->name) == 0)
            return pn_commands[i]->run(argc - 1, argv + 1);
    return unknown_command(word);
}

/* A closed 0, 1 or 2 would be given to the next file opened, and what is printed would
 * land in it. Opened the wrong way round they fail when used, as they should. */
static void hold_standard_files(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            return;
}

/* `| head` has what it wants: nobody needs to be told */
static bool reader_has_left(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

/* results that did not arrive are a failure, however well the rest went */
static int finish_stdout(int code)
{
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) != 0) failed = true;
    if (!failed) return code;
    if (errno != EPIPE && !reader_has_left())
        fprintf(stderr, "penult: write to stdout: %s\n",
                errno ? strerror(errno) : "failed");
    return code ? code : PN_EXIT_IO;
}

int main(int argc, char **argv)
{
    hold_standard_files();
    /* both come back as errors of the write, which names the file and keeps what is done
     */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    return finish_stdout(dispatch(argc, argv));
}
