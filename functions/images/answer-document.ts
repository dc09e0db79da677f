import { readScoreDocument } from '../../shared/protocol/score-request.ts';
import type { AnswerDocument } from '../embeddings/application.ts';
import { answerRequest } from '../http/score.ts';
import type { Observer } from '../http/service.ts';
import { readImageDocument } from './image-request.ts';
import { answerImages, type ImageRouteOptions } from './image-routes.ts';

/** Answers direct invocations: documents with `images` as `/v1/images` takes them, others as `/v1/score` does. */
export function answerDocument(observer: Observer, options: ImageRouteOptions): AnswerDocument {
  return (serving, event) => {
    const hasImages = typeof event === 'object' && event !== null && Object.hasOwn(event, 'images');
    if (hasImages) return answerImages(serving, readImageDocument(event), observer, options);
    return answerRequest(serving, readScoreDocument(event, serving.contents.head.width), observer);
  };
}
