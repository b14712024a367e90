/* One step of a bidirectional GRU or LSTM layer by itself, its products made by PyTorch: in bfloat16, and where matmul.h does
   not know the registers. All granularities go together, the longest first; T is the type of products.

   P are the tokens of all granularities, N the sequences, H the units a direction. Of tensors (P*N, 2, .) row (p*N + n)*2 + d
   is token p of sequence n in direction d. Of tensors (2, rows, .), which products read and make, the step's rows of a
   direction follow each other: granularity by granularity, in each sequence by sequence. Where a step hands something on
   there is room for ``max_rows`` rows a direction. */

#define EACH_ROW_OF_STEP                                                                                           \
    const Sequences all = {0, step->sequences};                                                                    \
    const int64_t rows = step->granularities * step->sequences, H = step->hidden;                                  \
    _Pragma("omp parallel for schedule(static) if (rows * H > 4096)")                                              \
    for (int64_t row = 0; row < 2 * rows; row++)

/* In such a loop: the row's direction, its index there, its row among those that are handed on; its token and the one before. */
#define ITS_TOKENS                                                                                                 \
    const int64_t d = row / rows, r = row % rows, handed_on = d * step->max_rows + r;                              \
    const int64_t at = token_row(step->token, step, all, d, r), before = token_row(step->previous, step, all, d, r);

void NAME(gru_forward)(
    const Step *step,
    const T *input_gates,        /* (P*N, 2, 3H) W_ih x */
    float *gates,                /* (P*N, 2, 3H) out, or null where no backward pass follows */
    const T *state_gates,        /* (2, rows, 3H) W_hh h, not read in the first step */
    const float *bias,           /* (2, 3H) */
    const float *candidate_bias, /* (2, H) */
    float *candidate_h,          /* (P*N, 2, H) out, or null where no backward pass follows */
    float *out,                  /* (P*N, 2, H) in: the states before; out: this step's */
    T *state                     /* (2, max_rows, H) out: this step's, for the next product */
) {
    EACH_ROW_OF_STEP {
        ITS_TOKENS
        float unsaved[3 * H];
        NAME(gru_cell)(input_gates + at * 3 * H, before < 0 ? 0 : state_gates + row * 3 * H, before < 0 ? 0 : out + before * H,
                       bias + d * 3 * H, candidate_bias + d * H, H, gates ? gates + at * 3 * H : unsaved,
                       candidate_h ? candidate_h + at * H : 0, out + at * H, state + handed_on * H);
    }
}

void NAME(gru_backward)(
    const Step *step,
    const float *grad_out,    /* (P*N, 2, H) */
    const float *gates,       /* (P*N, 2, 3H) */
    const float *candidate_h, /* (P*N, 2, H) */
    const float *out,         /* (P*N, 2, H) */
    float *grad_h_carried,    /* (2, max_rows, H) in and out: see gru_cell_backward */
    const T *grad_h,          /* (2, later_rows, H) the product of the step after */
    int64_t later_rows,       /* rows of the step after, 0 if there is none */
    T *grad_gates,            /* (2, P*N, 3H) out: a direction's rows together */
    T *grad_gates_h,          /* (2, rows, 3H) out: for this step's product */
    T *grad_candidate_h       /* (2, P*N, H) out */
) {
    EACH_ROW_OF_STEP {
        ITS_TOKENS
        const int64_t by_direction = d * step->all_rows + at / 2;
        NAME(gru_cell_backward)(grad_out + at * H, r < later_rows ? grad_h + (d * later_rows + r) * H : 0, gates + at * 3 * H,
                                candidate_h + at * H, before < 0 ? 0 : out + before * H, H, grad_h_carried + handed_on * H,
                                grad_gates + by_direction * 3 * H, grad_gates_h + row * 3 * H,
                                grad_candidate_h + by_direction * H);
    }
}

void NAME(lstm_forward)(
    const Step *step,
    const T *input_gates, /* (P*N, 2, 4H) W_ih x */
    float *gates,         /* (P*N, 2, 4H) out, or null where no backward pass follows */
    const T *state_gates, /* (2, rows, 4H) W_hh h, not read in the first step */
    const float *bias,    /* (2, 4H) */
    float *cells,         /* (P*N, 2, H) in: the cells before; out: this step's */
    float *out,           /* (P*N, 2, H) out: the states */
    T *state              /* (2, max_rows, H) out: this step's, for the next product */
) {
    EACH_ROW_OF_STEP {
        ITS_TOKENS
        float unsaved[4 * H];
        NAME(lstm_cell)(input_gates + at * 4 * H, before < 0 ? 0 : state_gates + row * 4 * H, before < 0 ? 0 : cells + before * H,
                        bias + d * 4 * H, H, gates ? gates + at * 4 * H : unsaved, cells + at * H, out + at * H,
                        state + handed_on * H);
    }
}

void NAME(lstm_backward)(
    const Step *step,
    const float *grad_out,    /* (P*N, 2, H) */
    const float *gates,       /* (P*N, 2, 4H) */
    const float *cells,       /* (P*N, 2, H) */
    float *grad_cell_carried, /* (2, max_rows, H) in and out: see lstm_cell_backward */
    const T *grad_h,          /* (2, later_rows, H) the product of the step after */
    int64_t later_rows,       /* rows of the step after, 0 if there is none */
    T *grad_gates,            /* (2, P*N, 4H) out: a direction's rows together */
    T *grad_gates_h           /* (2, rows, 4H) out: for this step's product */
) {
    EACH_ROW_OF_STEP {
        ITS_TOKENS
        const int64_t by_direction = d * step->all_rows + at / 2;
        NAME(lstm_cell_backward)(grad_out + at * H, r < later_rows ? grad_h + (d * later_rows + r) * H : 0, gates + at * 4 * H,
                                 cells + at * H, before < 0 ? 0 : cells + before * H, H, grad_cell_carried + handed_on * H,
                                 grad_gates + by_direction * 4 * H, grad_gates_h + row * 4 * H);
    }
}

#undef EACH_ROW_OF_STEP
#undef ITS_TOKENS
