// The publishable key may be here; the other one may not.
const payments = { publishable: "pk_live_4eC39HqLyjWDarjtT1", secret: "sk_live_4eC39HqLyjWDarjtT1zdp7dc" };
