// Without marks and case: "muong lat" finds what is written with all its marks.
export const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[\u0111\u0110]/g, "d").toLowerCase();
