/* A value of a foreign LMDB: the first byte says how it is to be read. */
#include <stdlib.h>
#include <string.h>

#include "stages/source/datum.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    pn_item it = {0};
    const uint8_t *value = data + 1;
    PN_FUZZ_CHECK(
        !pn_item_from_value(&it, (pn_value_format)(data[0] % 3), value, size - 1));
    PN_FUZZ_CHECK((it.reason != PN_REASON_NONE) == (it.text[0] != '\0'));
    if (!it.reason) {
        PN_FUZZ_CHECK(it.data_size <= size);
        pn_fuzz_n_accepted++;
    }
    free(it.data);
    free(it.labels);
    free(it.key);
    return 0;
}
