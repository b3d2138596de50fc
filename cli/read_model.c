/* A model to look at, whatever wrote it. */
#include "cli/read_model.h"

#include "base/text.h"
#include "penult/convert.h"

/* A single file that does not end like a part of a checkpoint is ONNX, and taken as it
 * is: convert would choose a feature tensor for it. */
static bool is_checkpoint(const pn_model_files *f)
{
    static const char *const endings[] = {".json", ".params", ".pb"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
        if (pn_text_ends(f->paths[0], endings[i])) return true;
    return f->n_paths > 1 || f->n_shapes > 0;
}

pn_status pn_cli_read_model(pn_graph **g, const pn_model_files *f, pn_err *err)
{
    const pn_convert_opts c = {.inputs = f->paths,
                               .n_inputs = f->n_paths,
                               .input_shapes = f->shapes,
                               .n_input_shapes = f->n_shapes};
    return is_checkpoint(f) ? pn_convert(g, &c, err)
                            : pn_graph_read_onnx(g, f->paths[0], err);
}
