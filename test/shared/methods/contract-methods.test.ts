import { describeMethodContract } from './contract-suite.ts';

/** Specs that take other ways through the methods' code than their defaults do. */
const SPECS = [
  'react:clip=0.9,score=odin',
  'react:clip=none,score=msp',
  'dice:p=40,score=maxlogit',
  'dice-react:p=60,clip=p95',
  'line:pw=30,pa=30,clip=p95,smoothing=scale',
  'line:pw=50,pa=50,clip=none,smoothing=enhance:5',
  'bats:lambda=1',
  'ash-s:p=60',
  'scale:p=50',
  'gen:gamma=0.3,m=3',
  'knn:k=3',
  'nnguide:k=3',
  'vim:dim=4',
  'residual:dim=20',
  'vra:mode=global',
  'vra:mode=absolute,a=0.2,b=2',
];

for (const spec of SPECS) describeMethodContract(spec);
