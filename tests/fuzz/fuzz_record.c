/* A preprocessing record: JSON where it begins like that, else YAML. What is accepted
 * comes out as JSON that reads back as the same. */
#include <stdlib.h>
#include <string.h>

#include "penult/image.h"
#include "penult/preprocess.h"
#include "tests/fuzz/fuzz.h"

static void use(const pn_preprocess *p)
{
    pn_preprocess again;
    char *json = NULL, *twice = NULL;
    pn_decoder *d = NULL;
    pn_err err = {0};
    PN_FUZZ_CHECK(!pn_preprocess_to_json(p, &json));
    if (pn_preprocess_from_json(&again, json, "again", &err))
        pn_fuzz_broken(pn_err_text(&err));
    PN_FUZZ_CHECK(!pn_preprocess_to_json(&again, &twice));
    PN_FUZZ_CHECK(!strcmp(json, twice));
    PN_FUZZ_CHECK(!pn_decoder_new(&d, p));
    pn_decoder_free(&d);
    free(json);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_preprocess p;
    pn_err err = {0};
    char *text = pn_fuzz_text(data, size);
    pn_status st = text[0] == '{'
                       ? pn_preprocess_from_json(&p, text, "t.json", &err)
                       : pn_preprocess_read_yaml(&p, pn_fuzz_path(data, size), &err);
    pn_fuzz_said_why(st, &err);
    if (!st) {
        pn_fuzz_n_accepted++;
        use(&p);
    }
    free(text);
    return 0;
}
