/* What a training step does on a CPU: matrix products, and what lies between them, each in one pass over memory.

   Compiled where it runs, at first use (library.py). Arithmetic is float32 whatever the type of the tensors. Pointers are to
   contiguous tensors. Functions that allocate memory return nonzero where there is none.

   Letters of shapes, everywhere: N sequences, L tokens of a sequence, G granularities, P tokens of all granularities together
   (the sum of ``lengths``), D width of a token, H hidden units a direction, K keys of a queue. Rows of a tensor (P, N, D) or
   (L, N, D) are tokens of sequences, all sequences' first tokens first. */
#include <math.h>
#include <stdlib.h>

#include "scalar_math.h"

/* One draw of a dropout mask: an element is kept where its random bits, a hash of the seed and its index, reach ``threshold``,
   so nothing of the mask is stored; what is kept is multiplied by ``scale``. A threshold of 0 drops nothing. */
typedef struct {
    uint32_t seed_low, seed_high, threshold;
    float scale;
} Dropout;

/* The same for a row of elements, which counts them from 0 in 32 bits: 64 would halve what a register holds. */
typedef struct {
    uint32_t first, seed_low, seed_high, threshold;
    float scale;
} DropoutRow;

static inline DropoutRow dropout_row(int64_t first, Dropout draw) {
    return (DropoutRow){(uint32_t)first, draw.seed_low, draw.seed_high + (uint32_t)(first >> 32) * 0x9e3779b9u,
                        draw.threshold, draw.scale};
}

static inline float dropout_factor(int64_t j, DropoutRow row) {
    return random_bits(row.first + (uint32_t)j, row.seed_low, row.seed_high) >= row.threshold ? row.scale : 0.0f;
}

/* One step of a recurrence: the token that each direction visits in each granularity that has one, (2, granularities), and
   the one that it visited a step earlier, or null. ``max_rows`` are the rows (tokens of sequences) of the first step in a
   direction, ``all_rows`` those of all steps. */
typedef struct {
    const int64_t *token, *previous;
    int64_t granularities, sequences, hidden, max_rows, all_rows;
} Step;

/* Sequences that are worked on together. */
typedef struct { int64_t first, count; } Sequences;

/* The row, in tensors (P*N, 2, .), of row r of a step in direction d; -1 where there is no token. */
static inline int64_t token_row(const int64_t *token, const Step *step, Sequences some, int64_t d, int64_t r) {
    if (!token) return -1;
    return (token[d * step->granularities + r / some.count] * step->sequences + some.first + r % some.count) * 2 + d;
}

enum {
    DROPOUT_RUN = 4096,             /* elements that are dropped as a row where there are no rows */
    KERNEL = 5, MARGIN = 2,         /* tokens of the convolution, and how many of them lie before the one in the middle */
    DOWNSAMPLE_SUMS = 3 + KERNEL    /* gradients of LayerNorm's weight and bias, of the bias and of the taps */
};

#include "matmul.h"
#ifdef LANES
#include "attention_workspace.h"
#include "rnn_threads.h"
#endif

/* What follows is compiled for each type T of tensors, float and bfloat16; Y is the type of what LayerNorm gives: the last
   Transformer layer's stays float, for among bfloat16 a maximum over tokens has many equals. */
#define T float
#define NAME(name) name##_float
#define READ(x) read_float(x)
#define WRITE(x) write_float(x)
#include "norm_stats.h"
#define Y float
#define NAME_Y(name) name##_float
#define READ_Y(x) read_float(x)
#define WRITE_Y(x) write_float(x)
#include "add_norm.h"
#include "rnn_cell.h"
#include "rnn_step.h"
#include "norm_relu.h"
#include "downsample.h"
#include "token_max.h"
#include "column_sums.h"
#include "relu_dropout.h"
#ifdef LANES
#include "attention.h"
#endif
#undef T
#undef NAME
#undef READ
#undef WRITE

#define T bf16
#define NAME(name) name##_bf16
#define READ(x) read_bf16(x)
#define WRITE(x) write_bf16(x)
#include "norm_stats.h"
#define Y bf16
#define NAME_Y(name) name##_bf16
#define READ_Y(x) read_bf16(x)
#define WRITE_Y(x) write_bf16(x)
#include "add_norm.h"
#define Y float
#define NAME_Y(name) name##_bf16_to_float
#define READ_Y(x) read_float(x)
#define WRITE_Y(x) write_float(x)
#include "add_norm.h"
#include "rnn_cell.h"
#include "rnn_step.h"
#include "norm_relu.h"
#include "downsample.h"
#include "token_max.h"
#include "column_sums.h"
#include "relu_dropout.h"
#ifdef LANES
#include "attention.h"
#endif
#undef T
#undef NAME
#undef READ
#undef WRITE

#ifdef LANES
#include "rnn_layer.h"
#include "rnn_weight_grad.h"
#include "info_nce.h"
#endif
#include "crop_resize.h"
#include "joints_first.h"
