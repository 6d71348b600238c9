import { fitBradleyTerry } from '../src/engine/rewards/bradley-terry.ts'
import { correctionAt, scoreAt, item, largest, pairCounts, won } from './helpers/fit.ts'
const edges=[[1,1],[1,1],[1000000000,1],[1000000,1],[1000000,1]]
const m=edges.length
const rows = edges.flatMap(([wins, losses], k) => [won(item(k), item((k + 1) % m), wins), won(item((k + 1) % m), item(k), losses)])
const {counts}=pairCounts(rows)
const f=fitBradleyTerry(counts,{kind:'none'})
console.log(f.rewards,f.iterations,f.errorEstimate,f.gradientNorm,f.logLikelihood)
console.log(correctionAt(f.rewards,counts,{kind:'none'}),scoreAt(f.rewards,counts,{kind:'none'}))
