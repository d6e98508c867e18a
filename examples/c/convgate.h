/* The C interface of a subject: build it as a shared library and judge it with
 * convgate gate --subject lib:PATH. Any language that can export C functions will do. */
#ifndef CONVGATE_H
#define CONVGATE_H

#include <stdint.h>

#define CONVGATE_FLOAT32 0
#define CONVGATE_FLOAT64 1

/* What convgate_call returns. */
#define CONVGATE_OK 0
#define CONVGATE_INVALID 1     /* the arguments break a rule */
#define CONVGATE_UNSUPPORTED 2 /* valid, but not implemented */

/* Row-major. */
typedef struct {
    void *data;
    int32_t dtype;
    int32_t ndim;
    int64_t shape[8];
} convgate_array;

/* Height first. What a function does not take has its default. */
typedef struct {
    int64_t kernel_size[2], stride[2], padding[2], dilation[2];
    int64_t groups;
    int64_t divisor_override; /* 0: none */
    int64_t input_shape[4];   /* of col2im */
    int32_t ceil_mode, count_include_pad;
} convgate_options;

/* The functions that there are, separated by commas, such as "im2col,col2im". */
const char *convgate_functions(void);

/* Call a function. Inputs are in the order of its arguments; an absent bias is left out. Outputs are set by the
 * function: each with memory of malloc, a dtype and a shape; data of NULL is None (a bias gradient without a bias). */
int convgate_call(const char *function, const convgate_array *inputs, int inputs_count, const convgate_options *options,
                  convgate_array *outputs, int outputs_count);

/* Free the memory of an output. */
void convgate_free(void *data);

#endif
