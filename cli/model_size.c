#include "cli/model_size.h"

int64_t pn_value_parameters(const pn_value *v)
{
    bool real = v->dtype == PN_F32 || v->dtype == PN_F16 || v->dtype == PN_F64 ||
                v->dtype == PN_BF16;
    return v->data && real && v->shape.ndim > 0 ? pn_shape_count(&v->shape) : 0;
}
