/* One row of a GRU's or LSTM's gates, forwards and backwards: one token of one sequence in one direction. T is the type of
   products, float or bfloat16. The shapes are those of a row: H units a direction, and per unit the gates in PyTorch's
   order, GRU: reset, update, candidate; LSTM: input, forget, cell, output. */

/* reset, update = sigmoid(x + h + bias), candidate = tanh(x + bias + reset * (h + candidate_bias)),
   out = (1 - update) * candidate + update * h_before. */
static inline void NAME(gru_cell)(
    const T *x,                  /* (3H) W_ih x of the token */
    const T *h,                  /* (3H) W_hh h of the state before, null in the first step */
    const float *h_before,       /* (H) the state before, null in the first step */
    const float *bias,           /* (3H) b_ih, and b_hh of the reset and update gate */
    const float *candidate_bias, /* (H) b_hh of the candidate */
    int64_t H,
    float *gates,                /* (3H) out, may be x: the gates after their activations */
    float *candidate_h,          /* (H) out, or null: the candidate's state term, h + candidate_bias */
    float *out,                  /* (H) out: the state */
    T *state                     /* (H) out: the state again, as the next step's product reads it */
) {
    if (!h) {
        #pragma omp simd
        for (int64_t j = 0; j < H; j++) {
            float reset, update;
            two_sigmoids(READ(x[j]) + bias[j], READ(x[H + j]) + bias[H + j], &reset, &update);
            float candidate = fast_tanh(READ(x[2 * H + j]) + bias[2 * H + j] + reset * candidate_bias[j]);
            float value = candidate - update * candidate;
            gates[j] = reset; gates[H + j] = update; gates[2 * H + j] = candidate;
            out[j] = value; state[j] = WRITE(value);
        }
    } else {
        #pragma omp simd
        for (int64_t j = 0; j < H; j++) {
            float reset, update;
            two_sigmoids(READ(x[j]) + READ(h[j]) + bias[j], READ(x[H + j]) + READ(h[H + j]) + bias[H + j], &reset,
                         &update);
            float state_term = READ(h[2 * H + j]) + candidate_bias[j];
            float candidate = fast_tanh(READ(x[2 * H + j]) + bias[2 * H + j] + reset * state_term);
            float value = candidate + update * (h_before[j] - candidate);
            gates[j] = reset; gates[H + j] = update; gates[2 * H + j] = candidate;
            out[j] = value; state[j] = WRITE(value);
        }
    }
    if (candidate_h) {
        #pragma omp simd
        for (int64_t j = 0; j < H; j++) candidate_h[j] = candidate_bias[j] + (h ? READ(h[2 * H + j]) : 0.0f);
    }
}

static inline void NAME(gru_cell_backward)(
    const float *grad_out,    /* (H) */
    const T *grad_h,          /* (H) what the step after gives to this state by its product, null in the last step */
    const float *gates,       /* (3H) as gru_cell left them */
    const float *candidate_h, /* (H) likewise */
    const float *h_before,    /* (H) the state before, null in the first step */
    int64_t H,
    float *grad_h_carried,    /* (H) what the step after gives beside its product; out: the same for the step before */
    T *grad_gates,            /* (3H) out, may be gates: of the gates before their activations */
    T *grad_gates_h,          /* (3H) out: the same as the state's product sees it, the candidate's times reset */
    T *grad_candidate_h       /* (H) out: the candidate's part of that */
) {
    #pragma omp simd
    for (int64_t j = 0; j < H; j++) {
        float reset = gates[j], update = gates[H + j], candidate = gates[2 * H + j];
        float grad = grad_out[j] + (grad_h ? grad_h_carried[j] + READ(grad_h[j]) : 0.0f);
        float grad_update = grad * ((h_before ? h_before[j] : 0.0f) - candidate) * update * (1.0f - update);
        float carried = grad * update;
        float grad_candidate = (grad - carried) * (1.0f - candidate * candidate);
        float grad_reset = grad_candidate * candidate_h[j] * reset * (1.0f - reset);
        float through_reset = grad_candidate * reset;
        grad_h_carried[j] = carried;
        grad_gates[j] = WRITE(grad_reset); grad_gates[H + j] = WRITE(grad_update);
        grad_gates[2 * H + j] = WRITE(grad_candidate);
        grad_gates_h[j] = WRITE(grad_reset); grad_gates_h[H + j] = WRITE(grad_update);
        grad_gates_h[2 * H + j] = WRITE(through_reset);
        grad_candidate_h[j] = WRITE(through_reset);
    }
}

/* input, forget, output = sigmoid(x + h + bias), candidate = tanh(x + h + bias),
   cell = forget * cell_before + input * candidate, out = output * tanh(cell). The gate that PyTorch calls cell is the
   candidate here. */
static inline void NAME(lstm_cell)(
    const T *x,               /* (4H) W_ih x of the token, or the sum of both products */
    const T *h,               /* (4H) W_hh h of the state before, or null: in the first step, and where x is the sum */
    const float *cell_before, /* (H) null in the first step */
    const float *bias,        /* (4H) b_ih + b_hh */
    int64_t H,
    float *gates,             /* (4H) out, may be x: the gates after their activations */
    float *cell,              /* (H) out, may be cell_before */
    float *out,               /* (H) out: the state */
    T *state                  /* (H) out: the state again, as the next step's product reads it */
) {
    #pragma omp simd
    for (int64_t j = 0; j < H; j++) {
        float input, forget, half_candidate, output; /* tanh(x) is 2 sigmoid(2x) - 1 */
        two_sigmoids(READ(x[j]) + (h ? READ(h[j]) : 0.0f) + bias[j],
                     READ(x[H + j]) + (h ? READ(h[H + j]) : 0.0f) + bias[H + j], &input, &forget);
        two_sigmoids(2.0f * (READ(x[2 * H + j]) + (h ? READ(h[2 * H + j]) : 0.0f) + bias[2 * H + j]),
                     READ(x[3 * H + j]) + (h ? READ(h[3 * H + j]) : 0.0f) + bias[3 * H + j], &half_candidate, &output);
        float candidate = 2.0f * half_candidate - 1.0f;
        float new_cell = input * candidate + (cell_before ? forget * cell_before[j] : 0.0f);
        float value = output * fast_tanh(new_cell);
        gates[j] = input; gates[H + j] = forget; gates[2 * H + j] = candidate; gates[3 * H + j] = output;
        cell[j] = new_cell; out[j] = value; state[j] = WRITE(value);
    }
}

static inline void NAME(lstm_cell_backward)(
    const float *grad_out,    /* (H) */
    const T *grad_h,          /* (H) what the step after gives to this state by its product, null in the last step */
    const float *gates,       /* (4H) as lstm_cell left them */
    const float *cell,        /* (H) likewise */
    const float *cell_before, /* (H) null in the first step */
    int64_t H,
    float *grad_cell_carried, /* (H) what the step after gives to this cell; out: the same for the step before */
    T *grad_gates,            /* (4H) out, may be gates: of the gates before their activations */
    T *grad_gates_h           /* (4H) out: the same again, as the state's product reads it */
) {
    #pragma omp simd
    for (int64_t j = 0; j < H; j++) {
        float input = gates[j], forget = gates[H + j], candidate = gates[2 * H + j], output = gates[3 * H + j];
        float activated = fast_tanh(cell[j]), grad = grad_out[j] + (grad_h ? READ(grad_h[j]) : 0.0f);
        float grad_cell = grad * output * (1.0f - activated * activated) + (grad_h ? grad_cell_carried[j] : 0.0f);
        float grad_input = grad_cell * candidate * input * (1.0f - input);
        float grad_forget = grad_cell * (cell_before ? cell_before[j] : 0.0f) * forget * (1.0f - forget);
        float grad_candidate = grad_cell * input * (1.0f - candidate * candidate);
        float grad_output = grad * activated * output * (1.0f - output);
        grad_cell_carried[j] = grad_cell * forget;
        grad_gates[j] = WRITE(grad_input); grad_gates[H + j] = WRITE(grad_forget);
        grad_gates[2 * H + j] = WRITE(grad_candidate); grad_gates[3 * H + j] = WRITE(grad_output);
        grad_gates_h[j] = WRITE(grad_input); grad_gates_h[H + j] = WRITE(grad_forget);
        grad_gates_h[2 * H + j] = WRITE(grad_candidate); grad_gates_h[3 * H + j] = WRITE(grad_output);
    }
}
