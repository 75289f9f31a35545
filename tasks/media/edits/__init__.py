"""Operations on picture and sound inside the single encode: one small pure module each."""
