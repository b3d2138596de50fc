#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "penult/log.h"

size_t pn_fuzz_n_accepted;

static char folder[64];

static void say_nothing(void *cookie, pn_log_level level, const char *line)
{
    (void)cookie;
    (void)level;
    (void)line;
}

static void remove_folder(void)
{
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    pn_log_setup(PN_LOG_INFO, say_nothing, NULL);
    return 0;
}

void pn_fuzz_broken(const char *rule)
{
    fprintf(stderr, "does not hold: %s\n", rule);
    abort();
}

void pn_fuzz_said_why(pn_status st, pn_err *err)
{
    if (st) {
        PN_FUZZ_CHECK(err->status == st);
        PN_FUZZ_CHECK(err->text && err->text[0]);
        PN_FUZZ_CHECK(st != PN_EINTERNAL);
    }
    pn_err_clear(err);
}

const char *pn_fuzz_path(const uint8_t *data, size_t size)
{
    static char path[32];
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        PN_FUZZ_CHECK(fd >= 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    PN_FUZZ_CHECK(ftruncate(fd, 0) == 0);
    PN_FUZZ_CHECK(pwrite(fd, data, size, 0) == (ssize_t)size);
    return path;
}

const char *pn_fuzz_folder(void)
{
    if (folder[0]) return folder;
    strcpy(folder, "/dev/shm/penult-fuzz-XXXXXX");
    if (!mkdtemp(folder)) {
        strcpy(folder, "/tmp/penult-fuzz-XXXXXX");
        PN_FUZZ_CHECK(mkdtemp(folder) != NULL);
    }
    atexit(remove_folder);
    return folder;
}

char *pn_fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    PN_FUZZ_CHECK(text != NULL);
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    return text;
}
