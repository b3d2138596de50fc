/* A run's config. What is accepted is printed as YAML that reads back as the same. */
#include <stdlib.h>
#include <string.h>

#include "pipeline/config.h"
#include "tests/fuzz/fuzz.h"

static void print_and_parse(const pn_config *c)
{
    pn_config *again = NULL;
    char *yaml = NULL, *twice = NULL, *json = NULL;
    pn_err err = {0};
    PN_FUZZ_CHECK(!pn_config_print(c, &yaml));
    PN_FUZZ_CHECK(!pn_config_print_json(c, &json));
    if (pn_config_parse(&again, yaml, strlen(yaml), "again.yaml", "/", NULL, 0, &err))
        pn_fuzz_broken(pn_err_text(&err));
    PN_FUZZ_CHECK(!pn_config_print(again, &twice));
    PN_FUZZ_CHECK(!strcmp(yaml, twice));
    pn_config_free(&again);
    free(yaml);
    free(twice);
    free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_config *c = NULL;
    pn_err err = {0};
    pn_status st =
        pn_config_parse(&c, (const char *)data, size, "t.yaml", "/", NULL, 0, &err);
    PN_FUZZ_CHECK((st == PN_OK) == (c != NULL));
    pn_fuzz_said_why(st, &err);
    if (!st) {
        pn_fuzz_n_accepted++;
        print_and_parse(c);
        pn_config_free(&c);
    }
    return 0;
}
