/** Row of `cifar10.results.json` → the spec of HIMPLoS, its parts or a base score that means the same. */
export const BASE_SPECS: Readonly<Record<string, string>> = {
  MSP: 'msp',
  ODIN: 'odin',
  Energy: 'energy',
  MaxLogit: 'maxlogit',
  ReAct: 'himplos:mask=none,clip=p90,smoothing=none',
  'ReAct(1.0)': 'himplos:mask=none,clip=1.0,smoothing=none',
  HIMPLoS: 'himplos:mask=50,clip=p90',
  'HIMPLoS(1.0)': 'himplos:mask=50,clip=1.0',
  'abl:LS': 'himplos:mask=none,clip=none',
  'abl:FM': 'himplos:mask=50,clip=none,smoothing=none',
  'abl:ReAct+FM': 'himplos:mask=50,clip=p90,smoothing=none',
  'abl:ReAct+LS': 'himplos:mask=none,clip=p90',
  'abl:FM+LS': 'himplos:mask=50,clip=none',
  'abl:cosine only': 'cosine',
  ...Object.fromEntries(
    [1, 5, 10, 20, 50, 100].map((alpha) => [
      `enh:alpha=${alpha}`,
      `himplos:mask=50,clip=p90,smoothing=enhance:${alpha}`,
    ]),
  ),
  'MSP+HIMPLoS': 'himplos:mask=50,clip=p90,score=msp',
  'ODIN+HIMPLoS': 'himplos:mask=50,clip=p90,score=odin',
};

const FLOAT64 = 1e-9;
/** Where prototypes are stored as float32, or the reference was computed in it (KNN). */
const FLOAT32 = 1e-5;
/** The reference's T* is 1.4e-8 from where the slope of the likelihood vanishes. */
const FITTED = 1e-8;
/** Distances by a covariance whose smallest eigenvalue is 5e-10. */
const SINGULAR = 1e-6;

/** Row of `cifar10.results.json` → the spec that means the same, and how far scores may differ. */
export const METHOD_SPECS: Readonly<Record<string, readonly [spec: string, tolerance: number]>> = {
  Mahalanobis: ['mahalanobis', SINGULAR],
  ReAct: ['react', FLOAT64],
  'ReAct(1.0)': ['react:clip=1.0', FLOAT64],
  DICE: ['dice:p=90', FLOAT64],
  'DICE+ReAct': ['dice-react:p=90,clip=p90', FLOAT64],
  'DICE+ReAct(1.0)': ['dice-react:p=90,clip=1.0', FLOAT64],
  LINe: ['line:pw=90,pa=90,clip=1.0', FLOAT64],
  'LINe+LS': ['line:pw=90,pa=90,clip=1.0,smoothing=scale', FLOAT32],
  'BATS(1)': ['bats:lambda=1', FLOAT64],
  'BATS(2)': ['bats:lambda=2', FLOAT64],
  'BATS(3)': ['bats', FLOAT64],
  KNN: ['knn:k=50', FLOAT32],
  'ASH-P(90)': ['ash-p:p=90', FLOAT64],
  'ASH-B(65)': ['ash-b:p=65', FLOAT64],
  'ASH-B(90)': ['ash-b:p=90', FLOAT64],
  'ASH-B(95)': ['ash-b:p=95', FLOAT64],
  'ASH-S(65)': ['ash-s:p=65', FLOAT64],
  'ASH-S(90)': ['ash-s:p=90', FLOAT64],
  'ASH-S(95)': ['ash-s:p=95', FLOAT64],
  'SCALE(85)': ['scale:p=85', FLOAT64],
  ViM: ['vim', FLOAT64],
  GEN: ['gen', FLOAT64],
};

/** The same for `cifar10.extra.json`. */
export const EXTRA_SPECS: Readonly<Record<string, readonly [spec: string, tolerance: number]>> = {
  Residual: ['residual', FLOAT64],
  GradNorm: ['gradnorm', FLOAT64],
  SHE: ['she', FLOAT64],
  RMDS: ['rmds', SINGULAR],
  fDBD: ['fdbd', FLOAT64],
  'NNGuide(full bank)': ['nnguide', FLOAT64],
  'KL-matching': ['kl-matching', FLOAT64],
  'VRA global q60/q90': ['vra:mode=global,low=60,high=90', FLOAT64],
  'VRA global q60/q95': ['vra:mode=global,low=60,high=95', FLOAT64],
  'VRA per-channel q60/q90': ['vra:mode=channel,low=60,high=90', FLOAT64],
  'VRA per-channel q60/q95': ['vra', FLOAT64],
  'VRA .5/1': ['vra:mode=absolute', FLOAT64],
  TempScale: ['tempscale', FITTED],
};
