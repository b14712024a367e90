/* What surrounds attention and the products of a Transformer layer; T is the type of the tokens. */

/* x = dropout(relu(x)), in place. */
void NAME(relu_dropout_forward)(T *x, int64_t count, const Drop *drop) {
    const Drop how = *drop;
    #pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < count; first += RUN) {
        const Dropping run = dropping(first, how);
        const int64_t size = count - first < RUN ? count - first : RUN;
        T *at = x + first;
        #pragma omp simd
        for (int64_t i = 0; i < size; i++) {
            float value = READ(at[i]);
            at[i] = WRITE((value <= 0.0f ? 0.0f : value) * kept(i, run));
        }
    }
}

/* The gradient passes where something is left. */
void NAME(relu_dropout_backward)(const T *y, const T *of_y, T *of_x, int64_t count, float scale) {
    #pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < count; i++) of_x[i] = WRITE(READ(y[i]) == 0.0f ? 0.0f : READ(of_y[i]) * scale);
}
