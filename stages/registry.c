#include "stages/registry.h"

#include <string.h>

#include "stages/sink/write_lmdb.h"
#include "stages/sink/write_null.h"
#include "stages/source/read_files.h"
#include "stages/source/read_lmdb.h"

const pn_source_ops *const pn_sources[] = {
    &pn_source_read_files,
    &pn_source_read_lmdb,
    NULL,
};

const pn_sink_ops *const pn_sinks[] = {
    &pn_sink_write_lmdb,
    &pn_sink_write_null,
    NULL,
};

const pn_source_ops *pn_source_find(const char *kind)
{
    for (size_t i = 0; pn_sources[i]; i++)
        if (!strcmp(pn_sources[i]->info.name, kind)) return pn_sources[i];
    return NULL;
}

const pn_sink_ops *pn_sink_find(const char *kind)
{
    for (size_t i = 0; pn_sinks[i]; i++)
        if (!strcmp(pn_sinks[i]->info.name, kind)) return pn_sinks[i];
    return NULL;
}
