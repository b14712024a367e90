/* Dropout after ReLU; T is the type of the tensor. */

void NAME(relu_dropout_forward)(
    T *x,                  /* (count) in; out: dropout(relu(x)) */
    int64_t count,
    const Dropout *dropout
) {
    const Dropout draw = *dropout;
    #pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < count; first += DROPOUT_RUN) {
        const DropoutRow mask = dropout_row(first, draw);
        const int64_t size = count - first < DROPOUT_RUN ? count - first : DROPOUT_RUN;
        T *run = x + first;
        #pragma omp simd
        for (int64_t i = 0; i < size; i++) {
            float value = READ(run[i]);
            run[i] = WRITE((value <= 0.0f ? 0.0f : value) * dropout_factor(i, mask));
        }
    }
}

/* The gradient passes where the output is not zero. */
void NAME(relu_dropout_backward)(
    const T *out,      /* (count) */
    const T *grad_out, /* (count) */
    T *grad_x,         /* (count) out */
    int64_t count,
    float scale        /* of the elements that were kept */
) {
    #pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < count; i++) grad_x[i] = WRITE(READ(out[i]) == 0.0f ? 0.0f : READ(grad_out[i]) * scale);
}
